"""The routes of the gateway, except for the hot path.

- `completions`: a rewrite in the form of OpenAI's API.
- `rewriting`: two rewrites of a message, and batches. `feedback`: votes.
- `batches`: messages that are rewritten later; `jobs`: jobs, failed ones among them, and exports.
- `webhooks`: addresses that get events, and the log of deliveries.
- `comparisons`: two rewrites for a person to choose from.
- `experiments`: drafts, decisions and the audit trail.
- `metrics`: what experiments measure.
- `keys`: API keys, signing keys and revoked tokens.
- `accounts`: signing in.
- `realtime`: the address of WebSockets.
- `consent`: whether feedback may train.
- `health`: probes and metrics.
"""
