"""Reads a request's body as it was sent, which a signature is checked over."""

from fastapi import Request


async def read(request: Request, most_bytes: int) -> bytes | None:
    """The body; None as soon as it is longer than that."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            return None
    return body
