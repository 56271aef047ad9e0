"""Fact protection: facts are masked before the model runs and restored in its rewrite.

When a rewrite still loses a fact, more drafts are generated and the best draft is chosen. A mask is a word
for the kind of fact and a number: `DATE1`, `NAME2`. A model that was trained on masked rows
(`models.examples.mask_row`) copies such words more reliably than `PAY-4512`, and they take fewer tokens.
This file imports no heavy library, because the inference service uses it.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, NamedTuple

from data.reasons import Reason, reason
from data.records import Protection, Term, TermRule, TransformType
from models import facts, own_terms
from models.preview import Preview

_WORDS = {
    "url": "LINK",
    "email": "EMAIL",
    "ticket": "TICKET",
    "channel": "CHANNEL",
    "identifier": "CODE",
    "version": "VERSION",
    "time": "TIME",
    "date": "DATE",
    "number": "NUMBER",
    "weekday": "DAY",
    "name": "NAME",
}
# After an ASCII letter the word is no mask; after another letter, as in Japanese, it is.
_MASK = re.compile(rf"(?<![a-z])(?:{'|'.join(_WORDS.values())})\d+", re.IGNORECASE)
# A mask without its number, also in a broken word: "NAME: see above", "port lNUMBER". Capitals only, since
# "name" and "code" are words that people write.
_BARE = re.compile(rf"(?<![A-Z])(?:{'|'.join(_WORDS.values())})(?![A-Z0-9])")
_ENDS_IN_LETTER = re.compile(r"[a-z]\Z", re.IGNORECASE)
# The end of a draft that may still become a mask, or a mask without its number.
_STARTS = "|".join(sorted({word[:end] for word in _WORDS.values() for end in range(1, len(word) + 1)}))
_UNFINISHED = re.compile(rf"(?<![a-z])(?i:{_STARTS})\d*\Z|(?<![A-Z])(?:{_STARTS})\d*\Z")
_LONGEST_MASK = 32  # characters; a word and more digits than any mask has


@dataclass(frozen=True)
class Masked:
    """A message with masks in place of its facts.

    `message` is the original, `text` has the masks, `hidden` maps a mask to its fact as written. `kept` are
    terms of dictionaries that count as facts.
    """

    message: str
    text: str
    hidden: dict[str, str]
    kept: tuple[Term, ...] = ()

    def hide(self, rewrite: str) -> str | None:
        """A rewrite with the same masks; None when it lacks a fact or writes it in another form."""
        masked = facts.replace(rewrite, {fact: mask for mask, fact in self.hidden.items()})
        return masked if len(facts.lost(self.hidden.values(), masked)) == len(self.hidden) else None

    def restore(self, rewrite: str) -> str | None:
        """A rewrite of the masked text with its facts.

        None when it has a mask that hides no fact, or a mask's word that the message does not have.
        """
        restored = _MASK.sub(lambda m: self.hidden.get(m.group().upper(), m.group()), rewrite)
        invented = any(m.group() not in self.message for m in _MASK.finditer(restored))
        return (
            None if invented or set(_BARE.findall(restored)) - set(_BARE.findall(self.message)) else restored
        )

    def restore_start(self, draft: str) -> str | None:
        """The start of the rewrite that an unfinished draft becomes: without its last characters, as long as
        they may belong to a mask. None when the draft so far is refused already.
        """
        tail = max(0, len(draft) - _LONGEST_MASK)
        unfinished = _UNFINISHED.search(draft, tail)
        return self.restore(draft[: unfinished.start()] if unfinished else draft)


def mask(message: str, kept: Sequence[Term] = ()) -> Masked:
    """Replace every fact by a mask; equal facts get equal masks. Terms that are kept get the masks of names,
    also where they contain other facts.

    A mask that the message itself contains is not used. A fact directly after a letter or directly before a
    digit is not masked, since the ends of its mask could not be found again.
    """
    reserved = {m.group().upper() for m in _MASK.finditer(message)}
    masks: dict[str, str] = {}
    counts: dict[str, Iterator[int]] = {}
    parts, end = [], 0
    for span in sorted(_list_spans(message, kept), key=lambda span: span.start):
        fact, before = message[span.start : span.end], message[end : span.start]
        if _ENDS_IN_LETTER.search(before) or message[span.end : span.end + 1].isdecimal():
            continue
        if fact not in masks:
            numbers = counts.setdefault(span.kind, itertools.count(1))
            word = _WORDS[span.kind]
            masks[fact] = next(name for n in numbers if (name := f"{word}{n}") not in reserved)
        parts += [before, masks[fact]]
        end = span.end
    hidden = {name: fact for fact, name in masks.items()}
    return Masked(message, "".join([*parts, message[end:]]), hidden, tuple(kept))


def _list_spans(message: str, kept: Sequence[Term]) -> list[facts.Span]:
    spans = facts.spans(message)
    names = [facts.Span("name", place.start, place.end) for place in own_terms.find(message, kept)]
    return names + [
        span for span in spans if not any(n.start < span.end and span.start < n.end for n in names)
    ]


def hide(message: str, protection: Protection, kept: Sequence[Term] = ()) -> Masked:
    """A message as a model is shown it: with masks, if the protection has them."""
    return mask(message, kept) if protection.masks else Masked(message, message, {}, tuple(kept))


def list_explained(message: str, protection: Protection, terms: Sequence[Term]) -> list[tuple[str, str]]:
    """The terms that a dictionary explains, as the model is shown them, with their explanations."""
    explained = [term for term in terms if term.rule is TermRule.EXPLAIN]
    if not explained:
        return []
    masks = {
        fact: name for name, fact in hide(message, protection, own_terms.list_kept(terms)).hidden.items()
    }
    return [(facts.replace(term.term, masks), term.wording) for term in explained]


Request = tuple[str, TransformType, int]  # message, transform type, intensity from 0 to 3


class Draft(NamedTuple):
    """A model's output: its text, its number of tokens, whether it ended with the stop token, and the number
    of tokens that were read for it: 0 when they were read for an earlier draft.
    """

    text: str
    tokens: int
    finished: bool
    prompt_tokens: int = 0


class Kept(NamedTuple):
    """The chosen draft with its facts restored, the facts that it lost, and the tokens of all drafts: written
    ones, and read ones.

    `unchanged` is the reason why the text is the message itself, if no draft could be chosen.
    """

    text: str
    missing: list[str]
    tokens: int
    finished: bool
    unchanged: Reason | None = None
    prompt_tokens: int = 0


Outcome = Literal["keeps all facts", "loses facts", "has a wrong mask", "is no rewrite"]


class DraftResult(NamedTuple):
    """What became of a draft, for a person who looks into it.

    `number` counts the drafts of a message, from 0; `draft` is as the model wrote it, with masks, and has so
    many `tokens`. `missing` are the facts that it lost, and `text` has the others restored. A draft that is
    refused has no text.
    """

    message: str
    number: int
    draft: str
    tokens: int
    outcome: Outcome
    missing: tuple[str, ...] = ()
    text: str | None = None


# Generates drafts from (text by index, retries): at 0 retries the most likely draft, else that many others.
Write = Callable[[Mapping[int, str], int], Mapping[int, Sequence[Draft]]]
# Whether a draft, before its facts are restored, is a rewrite at all: from the request as it was shown, with
# masks, and the draft.
Accept = Callable[[Request, str], bool]
# A judge of drafts, from (message, draft, transform type, intensity): the higher, the better.
Judge = Callable[[str, str, TransformType, int], float]


def rewrite(
    requests: Sequence[Request],
    protection: Protection,
    write: Write,
    judge: Judge | None = None,
    accept: Accept | None = None,
    observe: Callable[[DraftResult], None] | None = None,
    terms: Sequence[Sequence[Term]] = (),
) -> list[Kept]:
    """The rewrites of messages, in their order, with their facts protected. `terms` are those of dictionaries
    in each message, if there are some; the kept ones among them are facts.

    `protection.retries` more drafts are generated for a rewrite that lost a fact or that `accept` or
    `Masked.restore` refuses, and for every rewrite with `protection.always`. The draft that lost the fewest
    facts is chosen, an empty one last; among equals the one that `judge` prefers, without a judge the most
    likely one. When every draft is refused, the message itself is returned, with the reason. `observe` is
    called with each draft and what became of it.

    Serving has no judge, since none is valid for what it serves (`models.validity`). Raises ValueError for
    `protection.always` without one.
    """
    if protection.always and judge is None:
        raise ValueError(
            "with protection.always a judge chooses among the drafts: pass one, or set it to false"
        )
    masked = [
        hide(message, protection, own_terms.list_kept(own))
        for (message, _, _), own in zip(requests, terms or repeat(()), strict=False)
    ]
    candidates: list[list[Kept]] = [[] for _ in requests]
    numbers = [0] * len(requests)  # of drafts so far
    tokens, prompt_tokens = [0] * len(requests), [0] * len(requests)

    def generate(indices: Iterable[int], retries: int) -> None:
        for index, drafts in write({index: masked[index].text for index in indices}, retries).items():
            tokens[index] += sum(draft.tokens for draft in drafts)
            prompt_tokens[index] += sum(draft.prompt_tokens for draft in drafts)
            masked_request = (masked[index].text, *requests[index][1:])
            for draft in drafts:
                is_rewrite = accept is None or accept(masked_request, draft.text)
                result = _restore(masked[index], numbers[index], draft, is_rewrite)
                numbers[index] += 1
                if result.text is not None:
                    kept = Kept(result.text, [*result.missing], draft.tokens, draft.finished)
                    candidates[index].append(kept)
                if observe is not None:
                    observe(result)

    generate(range(len(requests)), 0)
    again = [i for i, drafts in enumerate(candidates) if protection.always or not drafts or drafts[0].missing]
    if protection.retries and again:
        generate(again, protection.retries)
    return [
        _choose_best(request, drafts, judge)._replace(tokens=written, prompt_tokens=read)
        for request, drafts, written, read in zip(requests, candidates, tokens, prompt_tokens, strict=True)
    ]


def _restore(masked: Masked, number: int, draft: Draft, is_rewrite: bool) -> DraftResult:
    known = (masked.message, number, draft.text, draft.tokens)
    if not is_rewrite:
        return DraftResult(*known, "is no rewrite")
    if (text := masked.restore(draft.text)) is None:
        return DraftResult(*known, "has a wrong mask")
    lost = facts.missing(masked.message, text) + own_terms.list_missing(masked.message, masked.kept, text)
    missing = tuple(dict.fromkeys(lost))  # a term may be another fact as well
    return DraftResult(*known, "loses facts" if missing else "keeps all facts", missing, text)


def show_to(
    preview: Preview,
    request: Request,
    protection: Protection,
    accept: Accept | None = None,
    terms: Sequence[Term] = (),
) -> Callable[[str], bool]:
    """A function that shows a reader the first draft of a request. Call it with the draft so far; it returns
    True when the reader has left. `terms` are those of dictionaries in the message.

    What `accept` or `Masked.restore` refuses is not shown.
    """
    masked = hide(request[0], protection, own_terms.list_kept(terms))
    masked_request = (masked.text, *request[1:])
    settled, restored = "", ""  # the draft up to its last space, and the same with its facts

    def show(draft: str) -> bool:
        nonlocal settled, restored
        if not draft.startswith(settled):  # another attempt
            settled, restored = "", ""
        rest = draft[len(settled) :]
        start = masked.restore_start(rest)
        if start is None:
            return preview.is_abandoned
        if accept is None or accept(masked_request, draft):
            preview.show((restored + start).strip())
        if (end := rest.rfind(" ") + 1) and (words := masked.restore(rest[:end])) is not None:
            settled, restored = draft[: len(settled) + end], restored + words
        return preview.is_abandoned

    return show


def _choose_best(request: Request, drafts: Sequence[Kept], judge: Judge | None) -> Kept:
    message, transform_type, intensity = request
    if not drafts:
        return Kept(message, [], 0, True, reason("unchanged_not_kept"))

    def rank(draft: Kept) -> tuple[bool, int, float]:
        preference = judge(message, draft.text, transform_type, intensity) if judge else 0.0
        return bool(draft.text.strip()), -len(draft.missing), preference

    return max(drafts, key=rank)  # the first of equals: drafts come in the order of their likelihood
