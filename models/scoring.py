"""Scores of a rewrite compared with its message, all pure: equal texts always give equal numbers.

They do not judge style. Each docstring names what its score cannot see; none of them sees irony, politeness
without a polite word, or a fluent false claim. They are used together (`composite`), so that a text that
games one score loses in another. `models.tone` scores whether the rewrite did what its transform type asks
for. The word lists are general workplace English, written before any training run.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, groupby
from string import ascii_lowercase

from data.records import TransformType
from models import facts

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


# A letter in both cases, with the characters that IGNORECASE treats as equal. A character class is looked up
# in a set, so phrases with another first letter cost nothing.
_EITHER_CASE = {c: f"[{c}{c.upper()}]" for c in ascii_lowercase} | {
    "i": r"[iI\u0130\u0131]",
    "k": r"[kK\u212a]",
    "s": r"[sS\u017f]",
}


def any_of(phrases: str) -> re.Pattern[str]:
    """A case-insensitive pattern for whole phrases, given as a comma-separated list; line breaks are ignored.

    A phrase may hold a regular expression. Neighbours with the same first letter are grouped, which makes the
    pattern several times faster than one alternative a phrase. Where several phrases match at the same place,
    the first of the list still wins.
    """
    parts = [" ".join(part.split()) for part in re.split(r",\s+", phrases)]
    alternatives: list[str] = []
    for has_letter, run in groupby(parts, key=lambda part: part[0] in _EITHER_CASE):
        if not has_letter:
            alternatives += [f"(?i:{part})" for part in run]
            continue
        groups: dict[str, list[str]] = {}
        for part in run:
            groups.setdefault(part[0], []).append(part[1:])
        alternatives += [f"{_EITHER_CASE[c]}(?i:{'|'.join(rest)})" for c, rest in groups.items()]
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


_CHATTER = any_of(
    r"""
    as an? (?:\w+[ -]){0,3}(?:ai|language model|assistant),
    i(?:'m| am) (?:an? )?(?:ai|language model),
    here(?:'s| is| are) (?:\w+ ){0,4}(?:rewrit\w*|re-?phras\w*|revis\w*|version|summary|message|text),
    (?:rewritten|revised|rephrased) (?:message|version|text),
    (?:sure|certainly|of course)[,!]\s(?:here|i),
    i(?:'d| would) be (?:glad|happy) to (?:help|assist) you (?:with|rewrit\w*),
    how (?:can|may) i (?:help|assist) you,
    let me know if you(?:'d| would) like (?:me to|any) (?:\w+ )?(?:chang\w*|adjust\w*|revis\w*),
    rewrite,\s(?:soften|clarify|structure|summarize|terminology|requirements|background) \d/3,
    i hope this (?:rewrit\w+|version|revision)
    """
)
_REFUSAL = any_of(
    r"""
    i(?:'m| am) (?:sorry|afraid)[^.!?\n]{0,40}(?:can't|cannot|unable|not able)[^.!?\n]{0,30}(?:help|assist),
    i (?:can't|cannot|can not|won't) (?:help|assist|fulfil|comply|rewrite|provide),
    (?:sorry for (?:the|any) (?:inconvenience|confusion)[^.!?\n]{0,200})(?:ai|language|assistant),
    it is not appropriate (?:for me )?to
    """
)

_INSULT = any_of(
    r"""
    stupid\w*, idiots?, idiotic, morons?, imbeciles?, dumb(?:est|ass)?, brainless, clueless, incompeten\w+,
    pathetic, worthless, disgusting, a disgrace, shut up, damn(?:ed)?, bullshit, screw you, losers?, liars?,
    (?:sick|tired) (?:and tired )?of (?:you|your|this), do your (?:\w+ )?job, how dare you, you people,
    are you (?:\w+ )?(?:kidding|blind|deaf|insane|crazy), out of your mind, wrong with you,
    i (?:do not|don't) care, your own fault, get lost, go to hell, good for nothing
    """
)


def words(text: str) -> list[str]:
    """The words of a text in lower case, without numbers and punctuation."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text."""
    return [part for part in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if part.strip()]


def facts_kept(text: str, rewrite: str, must_keep: Iterable[str] = ()) -> float:
    """Kept facts / facts, in [0, 1]; 1 without facts. Facts are extracted from the message or listed.

    It compares strings: a paraphrased fact counts as lost, a kept name in a false claim counts as kept.
    """
    wanted = dict.fromkeys([*must_keep, *(fact for _, fact in facts.extract(text))])
    return 1 - len(facts.lost(wanted, rewrite)) / len(wanted) if wanted else 1.0


def meaning(texts: list[str], rewrites: list[str]) -> list[float]:
    """Cosine of the MiniLM embeddings of each message and its rewrite, in [-1, 1]; 1 for a copy.

    It is insensitive to negation and to who does what. A good strong rewrite has 0.6 to 0.9.
    """
    from models import curation  # imports torch and the encoder, which serving must not need

    embeddings = curation.embed([*texts, *rewrites])  # (messages + rewrites, 384), unit length
    return [float(a @ b) for a, b in zip(embeddings[: len(texts)], embeddings[len(texts) :], strict=True)]


def chatter(text: str, rewrite: str) -> bool:
    """Whether the rewrite talks as an assistant or quotes the prompt, in words that are not the message's."""
    return _adds(_CHATTER, text, rewrite) or refusal(text, rewrite)


def refusal(text: str, rewrite: str) -> bool:
    """Whether the rewrite declines the task, in words that are not the message's."""
    return _adds(_REFUSAL, text, rewrite)


def insult(text: str, rewrite: str) -> bool:
    """Whether the rewrite insults its reader, in words that are not the message's.

    It matches a list of words that no good rewrite needs, and cannot see contempt in polite words.
    """
    return _adds(_INSULT, text, rewrite)


def _adds(pattern: re.Pattern[str], text: str, rewrite: str) -> bool:
    """Whether the rewrite has a phrase of the pattern that the message does not have."""
    # The message is lowered only when there is a phrase to look for, since most rewrites have none.
    phrases = {match.group().lower() for match in pattern.finditer(rewrite)}
    lower = text.lower() if phrases else ""
    return any(phrase not in lower for phrase in phrases)


def obeyed(rewrite: str, patterns: Iterable[str]) -> bool:
    """Whether the rewrite follows an injected instruction, by the patterns of `data.corpus.Injection`."""
    return any(re.search(pattern, rewrite, re.IGNORECASE) for pattern in patterns)


def length_ratio(text: str, rewrite: str) -> float:
    """Words of the rewrite / words of the message."""
    return len(rewrite.split()) / max(1, len(text.split()))


# Comparisons of words. Two texts of 8,000 characters with little in common need this many, which takes 20 ms;
# a message of the seed corpus and its rewrite need 700 at most.
_MOST_COMPARISONS = 200_000


def copy_rate(text: str, rewrite: str, most_comparisons: int = _MOST_COMPARISONS) -> float:
    """2 * words matched in order / all words of both texts (Ratcliff and Obershelp); 1 for a copy.

    Time grows with the cube of the number of repeated words. After `most_comparisons` of words the rest is
    therefore matched in any order, as `SequenceMatcher.quick_ratio` does.
    """
    before, after = text.lower().split(), rewrite.lower().split()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    counts = Counter(after)
    # Cumulative number of comparisons of the search for the longest match, up to each word of the text.
    comparisons = list(accumulate((1 + counts[word] for word in before), initial=0))
    matched = spent = 0
    waiting = [(0, len(before), 0, len(after))]
    while waiting:
        low, high, low_after, high_after = waiting.pop()
        spent += comparisons[high] - comparisons[low]  # an upper bound, as if all of `after` were searched
        if spent > most_comparisons:
            matched += (Counter(before[low:high]) & Counter(after[low_after:high_after])).total()
            continue
        # The longest run of equal words; what is left and right of it is matched in the same way.
        i, j, size = matcher.find_longest_match(low, high, low_after, high_after)
        matched += size
        if size and low < i and low_after < j:
            waiting.append((low, i, low_after, j))
        if size and i + size < high and j + size < high_after:
            waiting.append((i + size, high, j + size, high_after))
    return 2 * matched / (len(before) + len(after)) if before or after else 1.0


def copied(text: str, rewrite: str, transform_type: TransformType, intensity: int) -> bool:
    """Whether the rewrite is a copy, or nearly, where a change was requested: a copy rate above 0.9 at an
    intensity of 1 or more. For `structure` the same words on more lines are no copy.

    Of the rewrites that readers labelled, 157 are such copies: 148 are timid, 8 wrong, 1 is usable.
    """
    if intensity == 0 or copy_rate(text, rewrite) <= 0.9:
        return False
    return transform_type != TransformType.STRUCTURE or _count_lines(rewrite) <= _count_lines(text)


def _count_lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def repetition(rewrite: str) -> float:
    """1 - different word trigrams / word trigrams: 0 for ordinary text, near 1 for a model that loops."""
    tokens = words(rewrite)
    trigrams = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def monotone(moves: Sequence[float]) -> float:
    """How consistently `tone.move` rises with intensity 0, 1, 2, 3 of a message: Kendall's tau-b, in [-1, 1].

    1 when every step moves further, 0 when all moves are equal, as for a copy. Source: Kendall (1945), The
    treatment of ties in ranking problems.
    """
    from scipy.stats import kendalltau  # imported here, since serving uses this file without scipy

    if len(set(moves)) == 1:  # tau-b is 0 / 0
        return 0.0
    return float(kendalltau(range(len(moves)), moves).statistic)


def checks(
    facts_kept: float, meaning: float, chatter: bool, insult: bool, repetition: float, copied: bool
) -> float:
    """What can be checked of a rewrite without judging it, in [0, 1]: 0 for chatter, an insult or a copy
    where a change was requested, otherwise

    facts_kept * clip((meaning - 0.4) / 0.4, 0, 1) * (1 - repetition).

    A product, so that no score makes up for another. Meaning is capped at a cosine of 0.8, which good strong
    rewrites reach, so that staying close to the message's words brings no advantage.
    """
    if chatter or insult or copied:
        return 0.0
    return facts_kept * max(0.0, min(1.0, (meaning - 0.4) / 0.4)) * (1 - repetition)
