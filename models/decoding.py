"""Greedy rewrites by a version's quantised weights, without the inference service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from configs.settings import Device
from data.records import UNPROTECTED, Protection
from models import devices, facts, llm, prompts, protection, version_file
from models.edits.writer import Writer
from models.endpoint import ChatError
from models.protection import Draft, Judge, Kept, Request

_BATCH = 16  # prompts; on two cores batches of 8, 16 and 32 wrote 321, 383 and 361 tokens a second


@dataclass(frozen=True)
class Rewrite:
    """A greedy answer: token ids of its prompt, its own token ids with the stop token, and its text."""

    prompt_ids: list[int]
    ids: list[int]
    text: str


class Decoder:
    """A version folder's quantised weights.

    Answers equal those of the inference service, except where int8 rounding, which depends on the batch,
    decides between two almost equally likely tokens.
    """

    def __init__(self, version: Path, device: Device = "auto") -> None:
        self._name = version.name
        self._frame = prompts.read(version)
        self._tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
        self._stop_id = self._tokenizer.token_to_id(self._frame.stop)
        self._generator = devices.open_generator(version, device)

    def rewrite(
        self,
        requests: Sequence[Request],
        max_new_tokens: int,
        retries: int = 0,
        progress: bool = False,
    ) -> list[list[Rewrite]]:
        """Answers at temperature 0 to each (message, transform type, intensity), in their order.

        Without retries each request has one answer. With retries it has that many others: each starts with
        one of the next likely first tokens and continues greedily.
        """
        prompts_encoded = [
            self._tokenizer.encode(self._frame.render(*request), add_special_tokens=False)
            for request in requests
        ]
        # CTranslate2 takes tokens as text and pads a batch itself: there is no mask to make here.
        # Sorted by length: CTranslate2 reads a batch's prompts in one pass only up to the shortest of them.
        order = sorted(range(len(prompts_encoded)), key=lambda i: len(prompts_encoded[i].ids))
        longest = max((len(prompt.ids) for prompt in prompts_encoded), default=0)
        rewrites: dict[int, list[Rewrite]] = {}
        with tqdm(total=len(requests), desc=f"rewriting with {self._name}", disable=not progress) as bar:
            # One call for all prompts, so that no worker waits for the other at the end of a batch.
            answers = self._generator.generate_batch(
                [prompts_encoded[i].tokens for i in order],
                # In a batch of different lengths, alternatives would carry the ends of the longer prompts.
                max_batch_size=1 if retries else _BATCH,
                # With alternatives CTranslate2 counts the prompt's tokens as well.
                max_length=max_new_tokens + (longest if retries else 0),
                sampling_topk=1,  # the likeliest token, so the seed does not matter
                num_hypotheses=retries + 1,
                return_alternatives=retries > 0,
                end_token=self._frame.stop,
                return_end_token=True,  # so that a complete answer differs from a truncated one
                include_prompt_in_result=False,
                asynchronous=True,  # returns at once, and the bar advances as answers arrive
            )
            for i, answer in zip(order, answers, strict=True):
                # With retries the first sequence is the most likely answer, which the caller has already.
                # A list for each hypothesis, (tokens,) each; lengths differ.
                sequences = answer.result().sequences_ids[int(retries > 0) :]
                rewrites[i] = [
                    Rewrite(prompts_encoded[i].ids, ids, self._read(ids))
                    for ids in (sequence[:max_new_tokens] for sequence in sequences)
                ]
                bar.update()
        return [rewrites[i] for i in range(len(requests))]

    def _read(self, ids: list[int]) -> str:
        # Not every tokenizer omits the token that ends a turn from its text.
        return self._tokenizer.decode(ids[:-1] if ids[-1:] == [self._stop_id] else ids).strip()


def rewrite_greedily(
    version: Path,
    requests: Sequence[Request],
    max_new_tokens: int,
    level: Protection = UNPROTECTED,
    progress: bool = False,
    judge: Judge | None = None,
    device: Device = "auto",
) -> list[Kept]:
    """A version folder's greedy rewrites, in the order of the requests, protected as `level` says.

    `judge` chooses among drafts, see `protection.rewrite`. A version of edits needs neither: it keeps facts
    by itself. A model that we did not train has its own token limit and prompt, and no judge; ChatError when
    it has no answer to a request.
    """
    stored = version_file.read(version)
    if stored.is_llm:
        return _ask_llm(version, requests, level)
    if stored.form == "edits":
        edited = Writer(version).rewrite(requests)
        return [
            Kept(text, facts.missing(message, text), 0, True, unchanged)
            for (message, _, _), (text, unchanged) in zip(requests, edited, strict=True)
        ]
    decoder = Decoder(version, device)

    def write(texts: Mapping[int, str], retries: int) -> dict[int, list[Draft]]:
        # The same requests with their texts as protection masked them.
        masked = [(text, *requests[i][1:]) for i, text in texts.items()]
        rewrites = decoder.rewrite(masked, max_new_tokens, retries, progress)
        return {
            i: [Draft(rewrite.text, len(rewrite.ids), True) for rewrite in drafts]
            for i, drafts in zip(texts, rewrites, strict=True)
        }

    return protection.rewrite(requests, level, write, judge)


def _ask_llm(version: Path, requests: Sequence[Request], level: Protection) -> list[Kept]:
    writer = llm.Writer(version)
    spec = writer.llm.spec("evaluated", level)
    try:
        rewrites = []
        for kept in writer.rewrite(requests, spec):
            if isinstance(kept, ChatError):
                raise kept
            rewrites.append(kept)
        return rewrites
    finally:
        writer.close()
