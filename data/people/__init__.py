"""Who may use an installation, and what they agreed to.

- `identities`: organisations, API keys and the ids of users.
- `request_secrets`: what signs requests with an API key.
- `accounts`: people who sign in, and their sessions.
- `consent`: whether feedback may train.
"""
