"""The public API: decides which version answers, remembers answers, and takes feedback.

- `app`: the process; `parts`: the objects that it is made of. `online/`: the hot path. `realtime/`: sockets.
  `graph/`: GraphQL. `routes/`: every other route; `dependencies`: what these take as parameters.
- `auth`: who calls; `cors`: which web pages may; `signatures`: whether a request is signed; `guessing`:
  limits how often a secret may be guessed; `rate`: quotas.
- `idempotency`: a repeated request has the first answer.
- `heartbeat`: keys and routing, read again every quarter of a second.
- `dictionaries`: the terms that apply to a person. `owners`: whose dictionary or rules a request is about.
- `tasks`: ends background tasks. `backlog`: counts the jobs of the queue for Prometheus.
- `message_files`: reads the messages of a batch, as JSON, JSON Lines or CSV.
- `pages`: which part of a list to show; `conditional`: what a client has already is not sent again;
  `own_answers`: an answer as its person sees it later.
- `problems`: errors as the API answers them; `refusals`: which of them a route answers. `manual`: the page of
  the API; `home`: the first page.
- `description/`: the API's OpenAPI document; `openapi_file`: writes it for the SDKs. `deprecation`: what is
  to be removed, and when.
"""
