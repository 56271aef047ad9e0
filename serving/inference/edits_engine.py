"""The engine of versions of the form "edits": they rewrite a message by small edits, and keep its facts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from data.records import Form, Spec
from models import facts, own_terms
from models.preview import Previews
from serving.inference.client import Item, Rewritten

if TYPE_CHECKING:
    from models.edits.writer import Writer


class EditsEngine:
    """A version's edit writer. Safe to call from several threads, if the writer is."""

    form: ClassVar[Form] = "edits"
    warm_up_tokens: ClassVar[int] = 1
    batch_size: ClassVar[int] = 32
    concurrent_batches: ClassVar[int] = 2

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
        edited = self._writer.rewrite(
            requests, spec.temperature, [item.seed for item in items], [item.terms for item in items]
        )
        return [
            Rewritten(
                text=text,
                facts_missing=_list_missing(item, text),
                tokens=0,
                finished=True,
                unchanged=unchanged,
            )
            for item, (text, unchanged) in zip(items, edited, strict=True)
        ]

    def close(self) -> None:
        """Free the writer. No generation may be running."""
        self._writer.close()


def _list_missing(item: Item, text: str) -> list[str]:
    """The facts of a message that its rewrite lost, and the terms that are kept; a term may be a fact."""
    terms = own_terms.list_missing(item.text, own_terms.list_kept(item.terms), text)
    return list(dict.fromkeys(facts.missing(item.text, text) + terms))
