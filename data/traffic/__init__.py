"""What the gateway stores of each request, and what people think of it.

- `routing`: which versions answer whom, by epoch.
- `outputs`: rewritten texts, stored before they are answered.
- `withdrawals`: outputs of a release that leave the caches.
- `rewrites`: the outputs of an organisation, to look at.
- `answers`: which output a person got; `own_answers`: those of one person, with their messages and feedback.
- `notices`: what has changed, as Postgres tells it at the commit.
- `volume`: how many answers there are, and how many of them come from a cache.
- `receipts`: signed tokens that feedback needs.
- `feedback`: votes on outputs.
- `participation`: how many votes there are, of whom, and on which share of the answers.
- `comparisons`: two outputs of one message, for a person to choose from.
- `evidence_messages`: the messages that are for evidence only, on which no model trains.
"""
