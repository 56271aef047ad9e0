"""Terms that are replaced, around every engine: it gets the message with their wordings, and what it writes
has them as well. So an answer is never unchanged that only has a replacement.
"""

from collections.abc import Sequence

from data.records import Spec, TermRule
from models import own_terms
from models.preview import Previews
from serving.inference.client import Item, Rewritten
from serving.inference.engines import AnyEngine

_NOT_READ = "unchanged_language"  # the reason of an engine that does not write the message's language


def generate(
    engine: AnyEngine, spec: Spec, items: Sequence[Item], previews: Previews = ()
) -> list[Rewritten]:
    """Rewrite items together, as the engine does."""
    prepared = [_replace(item) for item in items]
    rewrites = engine.generate(spec, prepared, previews)
    return [_finish(*row) for row in zip(items, prepared, rewrites, strict=True)]


def _replace(item: Item) -> Item:
    """The item with the wordings in place of their terms; its length may exceed that of a message."""
    if not any(term.rule is TermRule.REPLACE for term in item.terms):
        return item
    return item.model_copy(update={"text": own_terms.replace(item.text, item.terms)})


def _finish(item: Item, prepared: Item, rewritten: Rewritten) -> Rewritten:
    if prepared is item or not rewritten.text:
        return rewritten
    if rewritten.unchanged is not None and rewritten.unchanged.code == _NOT_READ:
        return rewritten.model_copy(update={"text": item.text})
    text = own_terms.replace(rewritten.text, item.terms)
    unchanged = rewritten.unchanged if text == item.text else None
    return rewritten.model_copy(update={"text": text, "unchanged": unchanged})
