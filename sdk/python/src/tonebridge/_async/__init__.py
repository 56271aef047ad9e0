"""The asynchronous client. `_sync` is made from it by `make sdk`: change this one.

- `client`: a method for each operation; `operations`: what they have in common: `transport`, `streams`.
- `socket`: the WebSocket.
"""
