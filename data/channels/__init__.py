"""Chat platforms: the workspaces that organisations have connected, and the people there.

- `installations`: connected workspaces, with their tokens, which are encrypted.
- `links`: which user a person of a workspace is, once they have agreed.
"""
