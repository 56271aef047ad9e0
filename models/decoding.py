"""Greedy rewrites by a version's quantised weights, as evaluation and the release check take them: no
service, no pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
from tokenizers import Tokenizer
from tqdm import tqdm

from data.records import UNPROTECTED, Protection
from models import prompts, protection
from models.protection import Asked, Draft, Kept

_BATCH = 16  # of 8, 16 and 32, the fastest on two cores: 321, 383 and 361 tokens a second


@dataclass(frozen=True)
class Rewrite:
    """One greedy answer: the ids of its prompt, its own ids with the one that ends it, and its text."""

    prompt_ids: list[int]
    ids: list[int]
    text: str


class Decoder:
    """A version folder's quantised weights. An answer is the one that the inference service gives, save where
    int8 rounding in other batches decides between near-equal tokens.
    """

    def __init__(self, version: Path) -> None:
        self._name = version.name
        self._frame = prompts.read(version)
        self._tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
        self._generator = ctranslate2.Generator(
            str(version / "ctranslate2"), inter_threads=2, intra_threads=1
        )

    def rewrite(
        self,
        messages: Sequence[Asked],
        max_new_tokens: int,
        retries: int = 0,
        progress: bool = False,
    ) -> list[list[Rewrite]]:
        """The answer at temperature 0 to each (text, transform type, intensity), in their order; with retries
        so many others, which start with the next likely tokens and go on greedily.
        """
        asked = [
            self._tokenizer.encode(self._frame.render(*message), add_special_tokens=False)
            for message in messages
        ]
        # Alike lengths together: CTranslate2 reads the start of a batch at once only up to its shortest
        # prompt.
        order = sorted(range(len(asked)), key=lambda place: len(asked[place].ids))
        rewrites: dict[int, list[Rewrite]] = {}
        with tqdm(total=len(asked), desc=f"rewriting with {self._name}", disable=not progress) as bar:
            # All at once, so that no worker waits for the other at the end of a batch.
            answers = self._generator.generate_batch(
                [asked[place].tokens for place in order],
                # Alternatives to prompts of different lengths come with the ends of the longer ones, and the
                # length counts the prompt then.
                max_batch_size=1 if retries else _BATCH,
                max_length=max_new_tokens
                + (max((len(one.ids) for one in asked), default=0) if retries else 0),
                sampling_topk=1,
                num_hypotheses=retries + 1,
                return_alternatives=retries > 0,
                end_token=self._frame.stop,
                return_end_token=True,
                include_prompt_in_result=False,
                asynchronous=True,
            )
            for place, answer in zip(order, answers, strict=True):
                said = [ids[:max_new_tokens] for ids in answer.result().sequences_ids[int(retries > 0) :]]
                rewrites[place] = [
                    Rewrite(asked[place].ids, ids, self._tokenizer.decode(ids).strip()) for ids in said
                ]
                bar.update()
        return [rewrites[place] for place in range(len(asked))]


def rewrite_greedily(
    version: Path,
    messages: Sequence[Asked],
    max_new_tokens: int,
    kept: Protection = UNPROTECTED,
    progress: bool = False,
) -> list[Kept]:
    """A version folder's greedy answers, their facts protected."""
    decoder = Decoder(version)

    def write(texts: Mapping[int, str], retries: int) -> dict[int, list[Draft]]:
        asked = [(text, *messages[place][1:]) for place, text in texts.items()]
        said = decoder.rewrite(asked, max_new_tokens, retries, progress)
        return {
            place: [Draft(one.text, len(one.ids), True) for one in drafts]
            for place, drafts in zip(texts, said, strict=True)
        }

    return protection.rewrite(messages, kept, write)
