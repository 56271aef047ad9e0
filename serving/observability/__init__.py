"""How all processes are observed: one form of log lines, errors for Sentry, and spans for OpenTelemetry.

No line, error or span has what people write, and none has a secret.

- `start`: what a process calls first.
- `lines`: a record of the log as a line, JSON or text.
- `faults`: what may be said of an exception: its type, codes, and where it was raised.
- `foreign`: the same lines for MLflow's and Prefect's servers, which configure logging by files.
- `sentry`: errors for a server that speaks Sentry's protocol.
- `spans`: spans for a collector that speaks OTLP, and the traces of outputs, votes, snapshots and versions.
- `request_spans`: spans of requests to the inference service; those of pages and of chat platforms are made
  by `serving.metrics`, those of the gateway by its `telemetry`.
- `job_spans`: spans of jobs, from their request to each attempt of a worker.
"""
