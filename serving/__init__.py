"""What answers people: `gateway/` (the API), `dashboard/` (pages) and `inference/` (the models).

- `protocol`: HTTP with limits before anybody is known, for gateway and dashboard.
- `source`: where a request comes from.
- `breaker`: does not call a service that fails, for a while.
"""
