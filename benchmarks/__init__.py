"""Measurements against a peer in the same run; README.md says how to run and read them.

- `gateway`: the gateway against its peers, with `servers`, `obvious` (a straightforward FastAPI version),
  `twin/` and `load/` (Go), `workload`, `measure`; `steps`: CPU time of a cache hit; `batching`: misses in
  lists; `streaming`: the first token of a stream; `jobs`: the queue against other queues (`job_peers`);
  `sockets`: idle WebSockets and broadcasts against `socket_peer`; `signatures`: verifying a signed request.
- `training`: the stages against TRL, with `ablation`, `generation`, `probe`, `inputs`; `inference`: the
  engines.
- `experiments`: the duration of an analysis; `dashboard`: first paints; `snapshots`: many votes;
  `protection`: facts; `gate` and `guards`: how often the gate and the guards of GRPO decide wrongly.
- `busy`: training next to busy processes; `votes`: what the tagger learns from votes of a known taste;
  `outlook`: whether the outlook of a plan keeps its promise.
- `plots`: the plots of the docs.
"""
