"""The engine of versions of the form "edits": they rewrite a message by small edits, and keep its facts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from data.records import Form, Spec
from models import facts
from models.preview import Previews
from serving.inference.client import Item, Rewritten

if TYPE_CHECKING:
    from models.edits.writer import Writer


class EditsEngine:
    """A version's edit writer. Safe to call from several threads, if the writer is."""

    form: ClassVar[Form] = "edits"
    warm_up_tokens: ClassVar[int] = 1

    def __init__(self, folder: Path, writer: "Writer | None" = None) -> None:
        """`writer` takes the place of the one in the folder."""
        if writer is None:
            # Imported here, so that a service without such a version does not load the tagger's libraries.
            from models.edits.writer import Writer

            writer = Writer(folder)
        self._writer = writer

    def generate(self, spec: Spec, items: Sequence[Item], _previews: Previews = ()) -> list[Rewritten]:
        """Rewrite items together. An edited answer generates no tokens, and always ends. It takes 10 ms, so
        nothing is shown before it.
        """
        requests = [(item.text, item.transform_type, item.intensity) for item in items]
        edited = self._writer.rewrite(requests, spec.temperature, [item.seed for item in items])
        return [
            Rewritten(
                text=text,
                facts_missing=facts.missing(item.text, text),
                tokens=0,
                finished=True,
                unchanged=unchanged,
            )
            for item, (text, unchanged) in zip(items, edited, strict=True)
        ]

    def close(self) -> None:
        """Free the writer. No generation may be running."""
        self._writer.close()
