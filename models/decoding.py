"""Greedy rewrites by a version's quantised weights, as evaluation and the release check take them: no
service, no pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
from tokenizers import Tokenizer
from tqdm import tqdm

from data.records import TransformType
from models import prompts

_BATCH = 16  # of 8, 16 and 32, the fastest on two cores: 321, 383 and 361 tokens a second


@dataclass(frozen=True)
class Rewrite:
    """One greedy answer: the ids of its prompt, its own ids with the one that ends it, and its text."""

    prompt_ids: list[int]
    ids: list[int]
    text: str


def rewrite_greedily(
    version: Path,
    messages: Sequence[tuple[str, TransformType, int]],
    max_new_tokens: int,
    progress: bool = False,
) -> list[Rewrite]:
    """The answers of a version folder at temperature 0 to (text, transform type, intensity), in their order.

    The inference service gives the same, save where int8 rounding in other batches decides between near-equal
    tokens.
    """
    frame = prompts.read(version)
    tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
    generator = ctranslate2.Generator(str(version / "ctranslate2"), inter_threads=2, intra_threads=1)
    asked = [tokenizer.encode(frame.render(*message), add_special_tokens=False) for message in messages]
    # Alike lengths together: CTranslate2 reads the start of a batch at once only up to its shortest prompt.
    order = sorted(range(len(asked)), key=lambda place: len(asked[place].ids))
    rewrites: dict[int, Rewrite] = {}
    with tqdm(total=len(asked), desc=f"rewriting with {version.name}", disable=not progress) as bar:
        # All at once, so that no worker waits for the other at the end of a batch.
        answers = generator.generate_batch(
            [asked[place].tokens for place in order],
            max_batch_size=_BATCH,
            max_length=max_new_tokens,
            sampling_topk=1,
            end_token=frame.stop,
            return_end_token=True,
            include_prompt_in_result=False,
            asynchronous=True,
        )
        for place, answer in zip(order, answers, strict=True):
            ids = list(answer.result().sequences_ids[0])
            rewrites[place] = Rewrite(asked[place].ids, ids, tokenizer.decode(ids).strip())
            bar.update()
    return [rewrites[place] for place in range(len(asked))]
