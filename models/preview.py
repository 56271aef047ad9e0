"""A draft while it is written: an engine shows its text so far, and its reader may leave.

It holds one text and no queue. Who reads slowly misses states in between, never the last one, and delays
nobody.
"""

from collections.abc import Callable, Sequence


class Preview:
    """What one reader sees of a draft. An engine's thread writes it, and an event loop reads it."""

    def __init__(self, on_change: Callable[[], object] = lambda: None) -> None:
        """`on_change` is called after each change of the text, in the thread that changed it."""
        self._on_change = on_change
        self._on_abandon: Callable[[], object] = lambda: None
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
        self._on_abandon()

    def when_abandoned(self, act: Callable[[], object]) -> None:
        """Call `act` when the reader leaves, in the thread in which they do; now, if they have left. It
        replaces an earlier `act`.
        """
        self._on_abandon = act
        if self.is_abandoned:
            act()


Previews = Sequence[Preview | None]  # one for each item, or none at all


def select_previews(previews: Previews, indices: Sequence[int]) -> dict[int, Preview]:
    """The previews of the items at `indices`, each under the place of its item there."""
    return {
        place: preview
        for place, i in enumerate(indices)
        if i < len(previews) and (preview := previews[i]) is not None
    }
