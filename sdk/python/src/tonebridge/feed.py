"""What a WebSocket tells of what has changed."""

from dataclasses import dataclass
from typing import Any, Literal

Channel = Literal["jobs", "answers", "experiments", "releases"]


@dataclass(frozen=True)
class Change:
    """Something has changed; `data` is as it is now. `cursor` is its place among all changes."""

    channel: Channel
    cursor: str
    data: Any


@dataclass(frozen=True)
class Reset:
    """Changes of this channel may be missing: read the state by the other methods."""

    channel: Channel
    cursor: str
