"""What the dashboard and the web app are both made of. Both write only through the gateway's API.

- `front`: limits and headers for every request, and the process that serves a site.
- `entry`: signing in and out, language and theme; `problems`: errors as pages.
- `devices`: what a session shows of a device; `passwords`: the change of one's own.
- `visit`: who visits, and the page that they get; `session`: sessions in Redis; `api`: the gateway's client.
- `parts`: the objects that both sites need.
- `words`: languages, numbers and dates. `locale/` has the sentences of both sites.
"""
