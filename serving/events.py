"""Server-sent events of a rewrite while it is written: `delta`, `replace`, and last `answer` or `error`.

The format is that of HTML's "Server-sent events", 9.2.6. FastAPI has a function for it, which would cost the
inference service 15 MB; and JSON has no line breaks, which are all that it treats.
"""

from typing import Literal, NamedTuple

import msgspec

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # the second is nginx's: it would collect
HEARTBEAT = b": heartbeat\n\n"  # a comment, which clients skip; proxies see that the connection lives
HEARTBEAT_S = 10.0

Kind = Literal["delta", "replace", "answer", "error"]


class Piece(NamedTuple):
    """A change of the text that a client has: more of it, or another text in its place."""

    kind: Literal["delta", "replace"]
    text: str

    @property
    def json(self) -> bytes:
        """The data of the event."""
        return msgspec.json.encode({"text": self.text})

    def encode(self) -> bytes:
        """The event."""
        return encode(self.kind, self.json)


def difference(sent: str, text: str) -> Piece | None:
    """What turns the text that a client has into another; None when it has it already."""
    if text == sent:
        return None
    if text.startswith(sent):
        return Piece("delta", text[len(sent) :])
    return Piece("replace", text)


def encode(kind: Kind, json: bytes) -> bytes:
    """An event with a JSON document that has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json)
