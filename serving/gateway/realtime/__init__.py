"""WebSockets of the gateway: what changes is shown as it happens, and messages are rewritten on the same
connection.

- `messages`: what client and gateway send each other.
- `connection`: one WebSocket, over uvicorn's transport.
- `sockets`: what clients ask for.
- `hub`: who has subscribed to what, and the events that go to them.
- `documents`: what an event shows, read from Postgres.
- `feed`: notices of Postgres, put in order in a stream of Redis that all gateways read.

SSE, the other way to stream an answer, is in `online/streaming.py`.
"""
