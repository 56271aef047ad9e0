"""The routes of the gateway, except for the hot path.

- `completions`: a rewrite in the form of OpenAI's API.
- `rewriting`: two rewrites of a message, and batches. `feedback`: votes.
- `analysis`: what a message does to its reader.
- `answers`: what a person got.
- `batches`: messages that are rewritten later; `jobs`: jobs, failed ones among them, and exports.
- `webhooks`: addresses that get events, and the log of deliveries.
- `inbound_webhooks`: where other tools send messages, and where the rewrites go.
- `comparisons`: two rewrites for a person to choose from.
- `experiments`: drafts, decisions and the audit trail.
- `metrics`: what experiments measure.
- `keys`: API keys, signing keys and revoked tokens. `origins`: the web pages that may use them.
- `accounts`: signing in. `sessions`: where a person is signed in.
- `realtime`: the address of WebSockets.
- `consent`: whether feedback may train. `dictionary`: terms, and what rewrites do with them.
- `rules`: conditions, and the rewrite that they propose.
- `erasures`: what people ask to be forgotten.
- `preferences`: what clients preselect for a person. `app_feedback`: what people say about the app itself.
- `health`: probes and metrics.
"""
