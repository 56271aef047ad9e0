"""Replaces personal data and secrets in texts before models are trained on them.

- `redactor`: finds and replaces.
- `identifiers`: rules for e-mail addresses, numbers and secrets.
- `names`: names of people, from lists.
- `measurement`: how much personal data redaction finds.
"""
