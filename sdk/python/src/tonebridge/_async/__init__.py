"""The asynchronous client. `_sync` is made from it by `make sdk`: change this one.

- `client`: a method for each operation; `transport`: sends requests; `streams`: what comes in pieces.
- `socket`: the WebSocket.
"""
