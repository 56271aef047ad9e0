"""Who may use an installation, and what they agreed to.

- `identities`: organisations, API keys and the ids of users.
- `accounts`: people who sign in, and their sessions.
- `consent`: whether feedback may train.
"""
