"""Fluency of a text: its perplexity under the bare base model."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from configs.settings import Device
from models import devices

_BATCH = 4  # texts


def log_perplexity(version: Path, texts: Sequence[str], device: Device = "auto") -> list[float]:
    """Mean negative log-likelihood of a token of each text, in nats; 0 for an empty text.

    exp of it is the perplexity. `version` is a version folder; its quantised weights are used. The value is
    low for plain, fluent English and for a text that repeats itself (`scoring.repetition` measures that), and
    high for broken grammar, rare words, lists of numbers and ids. It ignores whether the text has the
    message's meaning.
    """
    tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
    generator = devices.open_generator(version, device)
    # Small batches of similar lengths take two thirds of the time of large unsorted ones, on two cores.
    # Equal texts are scored once.
    different = sorted({text for text in texts if text.strip()}, key=lambda text: (len(text), text))
    # The model predicts every token from those before it, so the first token of a text has no prediction of
    # its own. A line break in front gives it one.
    tokens = [tokenizer.encode(f"\n{text}", add_special_tokens=False).tokens for text in different]
    results = generator.score_batch(tokens, max_batch_size=_BATCH) if tokens else []
    nats = {  # log_probs is (tokens,), one value for each token after the line break
        text: -sum(result.log_probs) / max(1, len(result.log_probs))
        for text, result in zip(different, results, strict=True)
    }
    return [nats.get(text, 0.0) for text in texts]
