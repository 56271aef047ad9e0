"""GraphQL at `/graphql`: what the REST routes read, rewrites and votes, by the functions of these routes.

- `endpoint`: the route. `sockets`: subscriptions over WebSockets.
- `trusted`: the documents that a client may name; they are in `documents.json`.
- `schema`: the schema, and what happens to a document before it is executed.
- `limits`: how large a document is. `faults`: errors as they are sent.
- `context`: what the fields of a request share. `arguments`: what fields are asked for, checked as by REST.
- `objects`: what is shown. `queries`, `mutations`, `subscriptions`: what can be asked for.
"""
