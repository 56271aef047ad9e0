"""The routes of the gateway that are not the hot path.

- `rewriting`: batches.
- `comparisons`: two rewrites for a person to choose from.
- `experiments`: drafts, decisions and the audit trail.
- `keys`: API keys, signing keys and revoked tokens.
- `accounts`: signing in.
- `consent`: whether feedback may train.
"""
