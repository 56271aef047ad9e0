"""How ordinary a text reads to a language model: its perplexity under the bare base."""

from collections.abc import Sequence
from pathlib import Path

import ctranslate2
from tokenizers import Tokenizer

_BATCH = 4


def log_perplexity(version: Path, texts: Sequence[str]) -> list[float]:
    """Mean negative log-likelihood of each text's tokens after a line break, in nats a token; 0 for no text.

    exp of it is the perplexity. `version` is a version folder; its quantised weights are used. Low for plain,
    fluent English and for a text that repeats itself (`scoring.repetition` sees that one); high for broken
    grammar, rare words, lists of numbers and ids. Blind to whether the text says what the message said.
    """
    tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
    generator = ctranslate2.Generator(str(version / "ctranslate2"), inter_threads=2, intra_threads=1)
    # Small batches of like lengths: two thirds of the time of large ones in any order, on two cores.
    different = sorted({text for text in texts if text.strip()}, key=lambda text: (len(text), text))
    tokens = [tokenizer.encode(f"\n{text}", add_special_tokens=False).tokens for text in different]
    found = generator.score_batch(tokens, max_batch_size=_BATCH) if tokens else []
    nats = {
        text: -sum(row.log_probs) / max(1, len(row.log_probs))
        for text, row in zip(different, found, strict=True)
    }
    return [nats.get(text, 0.0) for text in texts]
