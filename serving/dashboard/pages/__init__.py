"""The pages of the dashboard.

- `experiments`: the list, one experiment, a metric, and decisions.
- `drafts`: the form of a new experiment.
- `examples`: the answers behind a metric.
- `comparisons`: two rewrites of a message, without the names of their versions.
- `data`: votes, snapshots and drift.
- `models`: versions, their scores and their lineage.
- `calibration`: the error rates of the evidence in simulated experiments.
- `operations`: the current routing, gateways, decisions and releases; `queue`: jobs and batches on that page.
- `webhooks`: the addresses that get events, and their forms; `deliveries`: what was sent to one of them.
- `app_feedback`: what people say about the app itself.
- `accounts`: people, their roles, and the password of the signed-in person.
"""
