"""The messages of a batch as they are sent, and its results as they come."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

from tonebridge.types import Answer, TransformRequest

Messages: TypeAlias = "Iterable[TransformRequest] | Path | bytes"
ENDED = ("done", "dead", "cancelled", "replayed")  # states of a job
JSON = "application/json"
_TYPES = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".json": JSON}


class BatchResult(TypedDict):
    """The outcome of one message of a batch: the answer when it is done; a reason when it failed."""

    place: int
    state: Literal["waiting", "running", "done", "dead", "cancelled", "replayed"]
    answer: Answer | None
    reason: str | None


def encode(messages: Messages, content_type: str | None) -> tuple[bytes, str]:
    """The body with these messages, and its type; ValueError when the type cannot be told."""
    if isinstance(messages, bytes):
        if content_type is None:
            raise ValueError(f"say what these bytes are: content_type, {' or '.join(_TYPES.values())}")
        return messages, content_type
    if isinstance(messages, Path):
        kind = content_type or _TYPES.get(messages.suffix.lower())
        if kind is None:
            raise ValueError(f"{messages.name} is none of {', '.join(sorted(_TYPES))}: give its content_type")
        return messages.read_bytes(), kind
    items: list[Any] = list(messages)
    return json.dumps({"items": items}, ensure_ascii=False).encode(), JSON
