"""The pages of the dashboard.

- `experiments`: the list, one experiment, and drafts.
- `comparisons`: two rewrites, blind.
- `data`: votes, snapshots and drift.
- `models`: versions and what they were made from.
- `calibration`: whether the evidence keeps its promises.
- `operations`: what is in force.
- `accounts`: people and their roles; one's own password.
"""
