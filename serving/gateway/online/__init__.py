"""The hot path: from the bytes of a request to its answer.

- `protocol`: HTTP/1.1 on the socket; `front`: checks a request and answers cached ones.
- `completions`: requests and answers in the form of OpenAI's API.
- `bodies`: what a request may contain; `decoding`: the message in a body.
- `placement`: the arm that answers a person; `broken`: arms whose version fails.
- `answering`: cache, inference service, output and answer row; `streaming`: the same, with the draft.
- `turns`: requests whose client may leave; `queued`: messages as jobs.
- `cache`: in memory and in Redis; `upstream`: misses, in lists.
- `admission`: which misses wait, and which are refused, by the `throughput` of the service.
- `telemetry`: metrics, timing, logs and spans.
"""
