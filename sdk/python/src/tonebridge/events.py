"""The events of an answer while it is made, and how they come: as server-sent events, or by WebSocket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tonebridge import errors
from tonebridge.types import Answer


@dataclass(frozen=True)
class StreamEvent:
    """A step of an answer.

    `draft` is the text to show now. It was made longer by `text` (`delta`), or replaced by it (`replace`).
    The last event, `answer`, has the whole answer; only its text is stored, and its receipt takes feedback.
    """

    kind: Literal["delta", "replace", "answer"]
    text: str
    draft: str
    answer: Answer | None = None


class Draft:
    """The draft that a client shows, as its events come."""

    def __init__(self) -> None:
        self.text, self.has_begun = "", False

    def take(self, kind: str, data: Any, retry_after_s: float | None = None) -> StreamEvent:
        """The event of a kind and its data; the error, if that is what it is. An event of a kind that this
        version does not know changes nothing.
        """
        if kind == "error":
            raise errors.from_problem(data, retry_after_s)
        self.has_begun = True
        if kind == "answer":
            answer: Answer = data
            self.text = answer["transformed_text"]
            return StreamEvent("answer", self.text, self.text, answer)
        if kind == "replace":
            self.text = data["text"]
            return StreamEvent("replace", self.text, self.text)
        text = data["text"] if kind == "delta" else ""
        self.text += text
        return StreamEvent("delta", text, self.text)


class LineSplitter:
    """Lines of UTF-8 that come in pieces. Only line feeds end a line: JSON may contain other characters that
    Python's `splitlines` takes for an end.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that a piece completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()


class EventReader:
    """Server-sent events in pieces (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._kind, self._data = "", list[str]()

    def feed(self, piece: bytes) -> Iterator[tuple[str, Any]]:
        """The events that a piece completes: the kind and the data of each."""
        for line in self._lines.feed(piece):
            name, _, value = line.partition(":")  # a comment has no name
            value = value.removeprefix(" ")
            if name == "event":
                self._kind = value
            elif name == "data":
                self._data.append(value)
            elif not line and self._data:
                yield self._kind, json.loads("\n".join(self._data))
                self._kind, self._data = "", []
