"""The engine of models that we did not train: at an OpenAI-compatible endpoint, or in llama.cpp."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from data.reasons import reason
from data.records import Form, Spec
from models import version_file
from models.endpoint import AbandonedError, ChatError, TooLongError
from models.llm import Writer
from models.preview import Previews, select_previews
from models.protection import DraftResult, Kept
from serving.inference.client import Item, Rewritten, unwritable

logger = logging.getLogger("tonebridge.inference")


class LlmEngine:
    """A version's model. Safe to call from several threads."""

    form: ClassVar[Form] = "text"
    warm_up_tokens: ClassVar[int] = 64  # a model that thinks first writes no text in a few
    batch_size: ClassVar[int] = 32
    concurrent_batches: ClassVar[int] = 2

    def __init__(self, folder: Path) -> None:
        self._version = version_file.read(folder)
        self._writer = Writer(folder)

    def generate(
        self,
        spec: Spec,
        items: Sequence[Item],
        previews: Previews = (),
        observe: Callable[[DraftResult], None] | None = None,
    ) -> list[Rewritten]:
        """Rewrite items at the same time. An item whose answer failed has a `failure`; the others stay.
        `observe` is called with each draft.
        """
        results = [unwritable(item) for item in items]
        readable = [i for i, item in enumerate(items) if self._version.writes_language_of(item.text)]
        requests = [(items[i].text, items[i].transform_type, items[i].intensity) for i in readable]
        seeds = [items[i].seed for i in readable]
        preview_of = select_previews(previews, readable)
        terms = [items[i].terms for i in readable]
        rewrites = self._writer.rewrite(requests, spec, seeds, preview_of, observe, terms)
        for i, rewrite in zip(readable, rewrites, strict=True):
            if isinstance(rewrite, AbandonedError):
                results[i] = _failed(rewrite)
            elif isinstance(rewrite, ChatError):
                logger.warning("%s: %s", spec.version, str(rewrite))  # it does not quote the message
                results[i] = _failed(rewrite)
            else:
                results[i] = self._rewritten(rewrite)
        return results

    def close(self) -> None:
        """Close the connections, and free a model in this process. No generation may be running."""
        self._writer.close()

    def _rewritten(self, kept: Kept) -> Rewritten:
        return Rewritten(
            text=kept.text,
            facts_missing=kept.missing,
            tokens=kept.tokens,
            finished=kept.finished,
            unchanged=kept.unchanged,
            prompt_tokens=kept.prompt_tokens,
            cost_usd=self._writer.cost_usd(kept),
        )


def _failed(error: ChatError) -> Rewritten:
    nothing = Rewritten(text="", facts_missing=[], tokens=0, finished=False)
    if isinstance(error, TooLongError):
        refusal = reason("text_too_long_for_model", tokens=error.tokens, limit=error.limit)
        return nothing.model_copy(update={"refusal": refusal})
    return nothing.model_copy(update={"failure": str(error)})
