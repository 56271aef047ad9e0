"""The worker: does the jobs of the queue (`data.jobs`). Several workers share the work.

- `app`: the process; `site`: what it answers to probes and to Prometheus.
- `loop`: claims jobs, renews their leases, stores their effects; `counts`: what it counts of them.
- `rewrites`: rewrites the messages of batches; `exports`: writes files of votes.
- `deliveries`: sends events to webhooks; `events`: what an event says.
- `receivers`: sends requests to addresses that organisations name; `retries`: when they are sent again.
"""
