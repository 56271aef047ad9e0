"""What a developer would write first: a WebSocket by FastAPI and uvicorn, with the same messages.

`python -m benchmarks.socket_peer PORT`. It knows one key, and `POST /broadcast` sends its body to all.
"""

import os
import sys

import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect

KEY = "tb_peer"

app = FastAPI()
_subscribers: set[WebSocket] = set()


@app.websocket("/api/v1/ws")
async def serve(socket: WebSocket) -> None:
    """Answer the first message, and send what is broadcast."""
    await socket.accept()
    try:
        message = await socket.receive_json()
        if message.get("token") != KEY:
            await socket.close(4401)
            return
        await socket.send_json({"type": "ready"})
        await socket.receive_json()
        _subscribers.add(socket)
        await socket.send_json({"type": "subscribed"})
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        _subscribers.discard(socket)


@app.post("/broadcast")
async def broadcast(request: Request) -> dict[str, int]:
    """Send the body to all subscribers."""
    text = (await request.body()).decode()
    for socket in list(_subscribers):
        await socket.send_text(text)
    return {"subscribers": len(_subscribers)}


@app.get("/readyz")
async def readyz() -> dict[str, int]:
    """It runs; the id of its process."""
    return {"pid": os.getpid()}


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        loop="uvloop",
        log_level="warning",
        backlog=4096,
    )
