"""The synchronous client, made from `_async` by `make sdk`: change that one.

- `client`: a method for each operation; `transport`: sends requests; `streams`: what comes in pieces.
- `socket`: the WebSocket.
"""
