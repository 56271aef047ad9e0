"""Reads messages with the tagger: what each part does, and whether a proposed edit fits its place.

The tagger is MiniLM, int8 in CTranslate2, with linear heads on the mean of the token states of a place. It
takes 3 ms a message on one core. `models.tagger` trains it; this file needs no torch.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from data.records import Need, Role
from models.edits.script import Edit, is_sure
from models.edits.segments import Segment

ROLES = tuple(Role)
NEEDS = tuple(Need)
CUTS = 4  # labels of words: every summary keeps them, or the intensity from which summaries lose them
WINDOW_TOKENS = 384  # MiniLM reads 512; a longer message is read in windows of its own words

_CAUTION = -0.4  # is added to the logit of an edit that is wrong more often than others
_CAUTION_OF = {  # chosen by precision and recall on held-out labels
    "background.why_unsure": 0.4,
    "soften.sting_1_unsure": 0.0,
    "soften.sting_2_unsure": 0.0,
    "soften.sting_3_unsure": 0.0,
}

# Is added to the logit of edits of a transform type whose labels are stricter than readers of whole rewrites:
# they prefer a note too many to a vague message.
_LEAN_OF = {"clarify": 1.4}

Choose = Callable[[np.ndarray], int]  # an index, from logits


def likeliest(logits: np.ndarray) -> int:
    """The index of the largest logit."""
    return int(logits.argmax())


def sampler(random: np.random.Generator, temperature: float) -> Choose:
    """Draws an index from logits at a temperature above 0."""

    def sample(logits: np.ndarray) -> int:
        # Gumbel-max: the index with the largest logit plus Gumbel noise is a sample.
        return int((logits / temperature + random.gumbel(size=logits.shape)).argmax())

    return sample


@dataclass(frozen=True)
class Tokens:
    """A message as tokens: their ids and texts, and where each stands in the message, by character, (tokens,
    2).
    """

    ids: list[int]
    texts: list[str]
    offsets: np.ndarray

    def at(self, start: int, end: int) -> np.ndarray:
        """The indices of the tokens that touch `message[start:end]`; of an insertion, its two neighbours."""
        if start == end:
            start, end = start - 1, end + 1
        touched = np.nonzero((self.offsets[:, 0] < end) & (self.offsets[:, 1] > start))[0]
        if len(touched):
            return touched
        return np.asarray([min(int(np.searchsorted(self.offsets[:, 0], start)), len(self.ids) - 1)])


def load_tokenizer(folder: Path) -> Tokenizer:
    """MiniLM's tokenizer without padding and truncation."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def tokenize(tokenizer: Tokenizer, message: str) -> Tokens:
    """The tokens of a message, without special tokens."""
    encoding = tokenizer.encode(message, add_special_tokens=False)
    offsets = np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    return Tokens(encoding.ids, encoding.tokens, offsets)


class Reading:
    """What the tagger sees in one message: the states of its tokens, (tokens, width)."""

    def __init__(self, tagger: "Tagger", tokens: Tokens, states: np.ndarray) -> None:
        self._tagger, self._tokens, self._states = tagger, tokens, states

    def parts(self, segments: Sequence[Segment], choose: Choose = likeliest) -> list[tuple[Role, Need]]:
        """The role and the kind of requirement of each segment."""
        heads = self._tagger.heads
        result = []
        for segment in segments:
            state = self._mean(segment.start, segment.end)  # (width,)
            role, need = (
                choose(heads[f"{name}.weight"] @ state + heads[f"{name}.bias"]) for name in ("role", "need")
            )
            result.append((ROLES[role], NEEDS[need]))
        return result

    def weigh(self, segments: Sequence[Segment]) -> np.ndarray:
        """The probability that a summary keeps a segment, (segments, 3), by intensity from 1 to 3."""
        heads = self._tagger.heads
        states = np.array(
            [self._mean(segment.start, segment.end) for segment in segments]
        )  # (segments, width)
        logits = states @ heads["cut.weight"].T + heads["cut.bias"]  # (segments, CUTS)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        lost = np.cumsum(powers[:, 1:], axis=1) / powers.sum(axis=1, keepdims=True)
        return np.asarray(1 - lost)

    def accepts(self, edit: Edit, choose: Choose = likeliest, lean: float = 0.0) -> bool:
        """Whether the edit fits its place; `lean` is added to the logit of that it does.

        An edit of a rule without labels is accepted, since the list is closed, unless the rule's name says
        that it is unsure. Such a rule needs a probability above 0.6, and `lean` does not help it.
        """
        heads, rule = self._tagger.heads, self._tagger.rules.get(edit.rule)
        if rule is None:
            return is_sure(edit)
        if choose is likeliest:  # samples show what the tagger is not sure of, so that people compare it
            lean = max(lean, _LEAN_OF.get(edit.rule.partition(".")[0], 0.0))
        if not is_sure(edit):
            lean = _CAUTION_OF.get(edit.rule, _CAUTION)
        state = self._mean(*edit.words)  # (width,)
        shared = heads["edit.weight"] @ state + heads["edit.bias"]  # (1,)
        own = heads["rule.weight"][rule] @ state + heads["rule.bias"][rule]
        return bool(choose(np.array([0.0, float(shared[0]) + float(own) + lean])))

    def _mean(self, start: int, end: int) -> np.ndarray:
        return np.asarray(self._states[self._tokens.at(start, end)].mean(axis=0))


class Tagger:
    """A tagger's folder in memory. Safe to call from several threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._tokenizer = load_tokenizer(folder)
        self._encoder = ctranslate2.Encoder(
            str(folder / "ctranslate2"), inter_threads=2, intra_threads=threads
        )
        self.heads: dict[str, np.ndarray] = load_file(str(folder / "heads.safetensors"))
        names: list[str] = json.loads((folder / "rules.json").read_text(encoding="utf-8"))
        self.rules = {name: i for i, name in enumerate(names)}

    def read(self, messages: Sequence[str]) -> list[Reading]:
        """Read messages together, in their order."""
        tokens = [tokenize(self._tokenizer, message) for message in messages]
        windows = [split_windows(each) for each in tokens]
        batch = [["[CLS]", *window.texts, "[SEP]"] for each in windows for window in each]
        # (windows, longest window + 2, width)
        hidden = (
            np.array(self._encoder.forward_batch(batch).last_hidden_state) if batch else np.zeros((0, 2, 1))
        )
        rows = iter(hidden)
        states = [[next(rows)[1 : 1 + len(window.ids)] for window in each] for each in windows]
        return [
            Reading(self, each, np.concatenate(parts) if parts else np.zeros((1, 1), np.float32))
            for each, parts in zip(tokens, states, strict=True)
        ]

    def close(self) -> None:
        """Free the weights. No reading may be running."""
        self._encoder.unload_model()


def split_windows(tokens: Tokens) -> list[Tokens]:
    """The tokens in windows that the encoder can read."""
    parts = [slice(i, i + WINDOW_TOKENS) for i in range(0, len(tokens.ids), WINDOW_TOKENS)]
    return [Tokens(tokens.ids[part], tokens.texts[part], tokens.offsets[part]) for part in parts]
