"""Inbound webhooks: any tool that can send a request has its message rewritten, and the rewrite is delivered
to the address that an admin has set. Nothing is posted in anybody's name.

- `part`: what the process has of it; `door`: takes requests.
- `credentials`: secrets and keys, made, checked and encrypted; `verification`: whether a request is genuine.
- `replies`: rewrites messages and delivers the rewrites.
"""
