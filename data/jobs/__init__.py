"""The queue: work for later, which workers do once.

- `queue`: enqueues, claims and ends jobs; `listing`: reads them, batches and their outcomes.
- `changes`: who tried dead jobs again, cancelled batches, and took exports.
- `config`: how long, how often and how many.
"""
