"""Items that come one after the other."""

from collections.abc import Generator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Stream(Generic[T]):
    """Items as they come. A connection is open until the last one was read, or until the stream is closed:
    use `with` where a loop may be left early.
    """

    def __init__(self, items: Generator[T, None, None]) -> None:
        self._items = items

    def __iter__(self) -> "Stream[T]":
        return self

    def __next__(self) -> T:
        return self._items.__next__()

    def __enter__(self) -> "Stream[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._items.close()
