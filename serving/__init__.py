"""The servers: `gateway/` (the API), `web/` (the app for the person at work), `dashboard/` (pages for those
who run experiments), `channels/` (chat platforms), `worker/` (the jobs of the queue) and `inference/` (the
models). `sites/` is what both sites are made of, and `observability/` logs, errors and spans of all.

- `protocol`: HTTP with limits that apply before authentication, for gateway and sites.
- `listening`: on which addresses a server listens.
- `request_counts`: counts all requests of a gateway; `metrics`: those of the other processes, and `/metrics`.
- `source`: the source of a request, for limits.
- `validation`: what is wrong with a value or a config, as reasons.
- `differences`: what differs in two texts, in words, marked as HTML.
- `events`: server-sent events of a rewrite while it is written.
- `breaker`: stops calls to a failing service for a while.
"""
