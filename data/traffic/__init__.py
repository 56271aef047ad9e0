"""What the gateway stores of each request, and what people think of it.

- `routing`: which versions answer whom, by epoch.
- `outputs`: rewritten texts, stored before they are answered.
- `rewrites`: the outputs of an organisation, to look at.
- `answers`: which output a person got.
- `receipts`: signed tokens that feedback needs.
- `feedback`: votes on outputs.
- `comparisons`: two outputs of one message, for a person to choose from.
- `evidence_messages`: the messages that are for evidence only, on which no model trains.
"""
