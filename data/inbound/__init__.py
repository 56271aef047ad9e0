"""Inbound webhooks: other tools send messages, and the rewrites go to an address that an admin has set.

- `config`: how many, how long, how much.
- `endpoints`: the inbound webhooks of an organisation, with what verifies their requests.
- `messages`: what a tool has sent, as jobs of the queue.
- `pointer`: where the message is in a tool's JSON.
"""
