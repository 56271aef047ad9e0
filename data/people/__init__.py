"""Who may use an installation, and what they agreed to.

- `identities`: organisations, API keys and the ids of users.
- `request_secrets`: what signs requests with an API key.
- `key_changes`: who made, changed and revoked keys, secrets and tokens.
- `origins`: which web pages a list allows; `allowed_origins`: the lists of organisations and keys.
- `bootstrap`: the first key and the first account.
- `accounts`: people who sign in, and what opens and ends their sessions; `sessions`: a person's own ones.
- `consent`: whether feedback may train. `preferences`: what clients preselect.
- `dictionaries`: terms that are kept, explained or replaced. `app_feedback`: what people say about the app.
"""
