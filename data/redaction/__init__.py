"""Replaces personal data and secrets in texts before a model learns from them.

- `redactor`: finds and replaces.
- `identifiers`: rules for e-mail addresses, numbers and secrets.
- `names`: names of people, from lists.
- `measurement`: how much of it redaction finds.
"""
