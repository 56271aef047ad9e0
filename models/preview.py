"""A draft while it is written: an engine shows its text so far, and its reader may leave. A reader who only
waits for the end is shown nothing, and may leave as well.

It holds one text and no queue. Who reads slowly misses states in between, never the last one, and delays
nobody.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Preview:
    """What one reader sees of a draft. An engine's thread writes it, and an event loop reads it."""

    def __init__(self, on_change: Callable[[], object] = lambda: None, is_shown: bool = True) -> None:
        """`on_change` is called after each change of the text, in the thread that changed it. Unless it
        `is_shown`, engines need not make the text.
        """
        self._on_change, self.is_shown = on_change, is_shown
        self._acts: set[Callable[[], object]] = set()
        self.text = ""  # so far, with its facts
        self.is_abandoned = False  # True: the reader has left, so the draft should end

    def show(self, text: str) -> None:
        """Replace the text so far."""
        if text != self.text:
            self.text = text
            self._on_change()

    def abandon(self) -> None:
        """Tell the engine that the reader has left."""
        self.is_abandoned = True
        for act in tuple(self._acts):
            act()

    @contextmanager
    def when_abandoned(self, act: Callable[[], object]) -> Iterator[None]:
        """Until the end of the block, call `act` when the reader leaves, in the thread in which they do; now,
        if they have left. It may be called twice.
        """
        self._acts.add(act)
        try:
            if self.is_abandoned:
                act()
            yield
        finally:
            self._acts.discard(act)


Previews = Sequence[Preview | None]  # one for each item, or none at all


def select_previews(previews: Previews, indices: Sequence[int]) -> dict[int, Preview]:
    """The previews of the items at `indices`, each under the place of its item there."""
    return {
        place: preview
        for place, i in enumerate(indices)
        if i < len(previews) and (preview := previews[i]) is not None
    }
