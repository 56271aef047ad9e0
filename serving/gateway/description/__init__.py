"""The API's description (OpenAPI 3.1): what the routes and models say about themselves, made whole.

- `document`: the document: names, summaries, who may call what, tags.
- `access`: who may call a route and what every such route refuses, by its dependencies.
- `errors`: errors as they are answered. `examples`: an example of each document, from those of its fields.
- `events`: the events of webhooks, and their documents.

The committed copy, `sdk/openapi.json`, is what the SDKs are made from; `serving.gateway.openapi_file` writes
it.
"""
