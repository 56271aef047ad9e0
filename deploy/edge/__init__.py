"""Cloudflare before an installation, as code: docs/edge.md.

- `rules`: which paths may be cached, which are for programs, and the rules and settings that follow.
- `python3 -m deploy.edge show` prints what `apply` would send to Cloudflare's API. They need Python alone.
"""
