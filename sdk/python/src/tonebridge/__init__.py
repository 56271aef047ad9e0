"""A client of ToneBridge, which rewrites workplace messages and learns from feedback.

    from tonebridge import ToneBridge

    with ToneBridge("http://localhost:8080", api_key=key) as client:
        answer = client.transform("Fix the login page before Monday.", "soften", 2, user_id="ann")
        print(answer["transformed_text"])

- `ToneBridge` and `AsyncToneBridge` have a method for each operation of the API; `types`: the documents.
- `errors`: what they raise; `retries`: when a call is tried again; `exchange`: what is sent.
- `events`: an answer while it is made; `feed`: what a WebSocket tells; `batches`: files of messages.
- `signing` signs requests; `webhooks` verifies webhooks; `cli` is the command `tonebridge`.
- `_async/` is written by hand, `_sync/` is made from it, and `types` from the API's description: `make sdk`.
"""

from tonebridge import webhooks
from tonebridge._async.client import AsyncToneBridge
from tonebridge._async.streams import AsyncStream
from tonebridge._sync.client import ToneBridge
from tonebridge._sync.streams import Stream
from tonebridge.batches import BatchResult
from tonebridge.errors import (
    ChangedError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    ToneBridgeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    WebhookError,
)
from tonebridge.events import StreamEvent
from tonebridge.exchange import tag_of
from tonebridge.feed import Change, Reset
from tonebridge.retries import Retries

__version__ = "0.1.0"

__all__ = [
    "AsyncStream",
    "AsyncToneBridge",
    "BatchResult",
    "Change",
    "ChangedError",
    "ConflictError",
    "ForbiddenError",
    "InvalidRequestError",
    "NotFoundError",
    "Reset",
    "Retries",
    "Stream",
    "StreamEvent",
    "ToneBridge",
    "ToneBridgeError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "WebhookError",
    "tag_of",
    "webhooks",
]
