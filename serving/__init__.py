"""The servers: `gateway/` (the API), `dashboard/` (pages), `worker/` (the jobs of the queue) and `inference/`
(the models).

- `protocol`: HTTP with limits that apply before authentication, for gateway and dashboard.
- `source`: the source of a request, for limits.
- `validation`: what is wrong with a value or a config, as reasons.
- `differences`: what differs in two texts, in words, marked as HTML.
- `events`: server-sent events of a rewrite while it is written.
- `breaker`: stops calls to a failing service for a while.
"""
