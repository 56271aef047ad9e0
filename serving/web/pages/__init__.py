"""The pages of the web app.

- `rewrite`: a message, its rewrite, what changed, and what the person thinks of it.
- `history`: what the person has rewritten.
- `dictionary`: terms that rewrites keep, explain or replace.
- `rules`: conditions, and the rewrite that they suggest.
- `profile`: language, defaults, consent, devices.
- `help`: receipts, consent, readers, and feedback on the app. `status`: what works now.
"""
