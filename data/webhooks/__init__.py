"""Webhooks: addresses outside that get the events of an organisation.

- `config`: how many, how often, how long.
- `events`: what can happen, and what a delivery has in the queue.
- `subscriptions`: the webhooks of an organisation, with their secrets.
- `deliveries`: the log, and sending again.
"""
