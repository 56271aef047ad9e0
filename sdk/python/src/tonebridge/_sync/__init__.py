"""The synchronous client, made from `_async` by `make sdk`: change that one.

- `client`: a method for each operation; `operations`: what they have in common: `transport`, `streams`.
- `socket`: the WebSocket.
"""
