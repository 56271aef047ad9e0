"""What a WebSocket tells of what has changed."""

from dataclasses import dataclass
from typing import Any, Literal

Channel = Literal["jobs", "answers", "experiments", "releases"]


@dataclass(frozen=True)
class Change:
    """Something has changed; `data` is as it is now. `cursor` is its place in the subscription, which is of a
    person (`user_id`), of an experiment, or of neither, as you have subscribed.
    """

    channel: Channel
    cursor: str
    data: Any
    user_id: str | None = None
    experiment_id: str | None = None


@dataclass(frozen=True)
class Reset:
    """Changes of this subscription may be missing: read the state by the other methods."""

    channel: Channel
    cursor: str
    user_id: str | None = None
    experiment_id: str | None = None
