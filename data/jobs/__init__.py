"""The queue: work for later, which workers do once.

- `queue`: enqueues, claims and ends jobs; `listing`: reads them, batches and their outcomes.
- `config`: how long, how often and how many.
"""
