"""Measurements against a peer in the same run; README.md says how to run and read them.

- `gateway`: the gateway against its peers, with `servers`, `obvious` (a straightforward FastAPI version),
  `twin/` and `load/` (Go), `workload`, `measure`; `steps`: CPU time of a cache hit; `batching`: misses in
  lists; `streaming`: the first token of a stream; `jobs`: the queue against other queues (`job_peers`);
  `sockets`: idle WebSockets and broadcasts against `socket_peer`; `signatures`: verifying a signed request.
- `training`: the stages against TRL, with `ablation`, `generation`, `probe`, `inputs`; `inference`: the
  engines.
- `experiments`: the duration of an analysis; `dashboard`: first paints; `web`: those of the web app, and 500
  people at once; `snapshots`: many votes; `protection`: facts; `gate` and `guards`: how often the
  gate and the guards of GRPO decide wrongly.
- `analysis`: the analysis of a message beside a linter of prose (`analysis_peer`).
- `connections`: what connections cost Postgres; `costs`: commands of Redis and rows of Postgres a request.
- `overload`: goodput at three times the capacity; `admission`: the same procedure in virtual time, 200 times.
- `busy`: training next to busy processes; `votes`: what the tagger learns from votes of a known taste;
  `outlook`: whether the outlook of a plan keeps its promise.
- `plots`: the plots of the docs.
"""
