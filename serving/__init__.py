"""The servers: `gateway/` (the API), `dashboard/` (pages) and `inference/` (the models).

- `protocol`: HTTP with limits that apply before authentication, for gateway and dashboard.
- `source`: the source of a request, for limits.
- `breaker`: stops calls to a failing service for a while.
"""
