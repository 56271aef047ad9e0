"""Scores of a rewrite beside its message, all pure: the same two texts give the same number anywhere.

They are a measuring rod, not a judge of style. What each cannot see stands in its docstring; what they all
cannot see is irony, politeness without a polite word, and a claim that is fluent and false. They are read
together (`composite`): a text that games one of them pays in another. Whether the rewrite did what was asked
is `models.tone`. The word lists are general workplace English, written down before any training run.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, groupby
from string import ascii_lowercase

from models import facts

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


# A letter in both cases, and what IGNORECASE takes for it. Spelled out, it is looked up in a set, and phrases
# that begin with another letter cost nothing.
_EITHER_CASE = {c: f"[{c}{c.upper()}]" for c in ascii_lowercase} | {
    "i": r"[iI\u0130\u0131]",
    "k": r"[kK\u212a]",
    "s": r"[sS\u017f]",
}


def any_of(phrases: str) -> re.Pattern[str]:
    """A pattern for any of several phrases, parted by commas, wrapped as they come.

    Phrases next to each other are grouped by their first letter, in which the pattern is several times faster
    than with one alternative a phrase; of those that match at one place the first still does.
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
    """The words of a text, lower case, without numbers and punctuation."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text."""
    return [part for part in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if part.strip()]


def facts_kept(text: str, rewrite: str, must_keep: Iterable[str] = ()) -> float:
    """Kept facts / facts, of those found in the message or listed; 1 when there are none. In [0, 1].

    Sees strings: a fact said in other words counts as lost, a false claim about a kept name as kept.
    """
    wanted = dict.fromkeys([*must_keep, *(fact for _, fact in facts.extract(text))])
    return 1 - len(facts.lost(wanted, rewrite)) / len(wanted) if wanted else 1.0


def meaning(texts: list[str], rewrites: list[str]) -> list[float]:
    """Cosine of the MiniLM embeddings of each message and its rewrite, in [-1, 1]; 1 for a copy.

    Insensitive to negation and to who does what; a good strong rewrite lies at 0.6 to 0.9.
    """
    from models import curation  # torch and the encoder, for those only who ask

    embeddings = curation.embed([*texts, *rewrites])
    return [float(a @ b) for a, b in zip(embeddings[: len(texts)], embeddings[len(texts) :], strict=True)]


def chatter(text: str, rewrite: str) -> bool:
    """Whether the rewrite talks as an assistant or quotes the prompt's frame, as the message does not."""
    return _says_of_its_own(_CHATTER, text, rewrite) or refusal(text, rewrite)


def refusal(text: str, rewrite: str) -> bool:
    """Whether the rewrite declines the task, in words that are not the message's own."""
    return _says_of_its_own(_REFUSAL, text, rewrite)


def insult(text: str, rewrite: str) -> bool:
    """Whether the rewrite insults or snaps at its reader, in words that are not the message's own.

    Sees a list of words that no good rewrite needs: blind to contempt in fair words.
    """
    return _says_of_its_own(_INSULT, text, rewrite)


def _says_of_its_own(pattern: re.Pattern[str], text: str, rewrite: str) -> bool:
    phrases = {match.group().lower() for match in pattern.finditer(rewrite)}
    lower = text.lower() if phrases else ""
    return any(phrase not in lower for phrase in phrases)


def obeyed(rewrite: str, patterns: Iterable[str]) -> bool:
    """Whether the rewrite did what a message tried to make the tool do: one of the patterns of
    `data.corpus.Injection` stands in it.
    """
    return any(re.search(pattern, rewrite, re.IGNORECASE) for pattern in patterns)


def length_ratio(text: str, rewrite: str) -> float:
    """Words of the rewrite / words of the message."""
    return len(rewrite.split()) / max(1, len(text.split()))


# Two texts of 8,000 characters that have little in common need so many, a message of the seed corpus and its
# rewrite 700 at most. It takes 20 ms.
_MOST_COMPARISONS = 200_000


def copy_rate(text: str, rewrite: str) -> float:
    """2 * words matched in order / all words of both texts (Ratcliff and Obershelp); 1 for a copy.

    Time grows with the cube of how often words are repeated, so after so many comparisons of words the rest
    is matched in any order, as by `SequenceMatcher.quick_ratio`.
    """
    before, after = text.lower().split(), rewrite.lower().split()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    counts = Counter(after)
    # What the search for the longest match compares, up to each word of the text.
    comparisons = list(accumulate((1 + counts[word] for word in before), initial=0))
    matched = spent = 0
    waiting = [(0, len(before), 0, len(after))]
    while waiting:
        low, high, low_after, high_after = waiting.pop()
        spent += comparisons[high] - comparisons[low]
        if spent > _MOST_COMPARISONS:
            matched += (Counter(before[low:high]) & Counter(after[low_after:high_after])).total()
            continue
        i, j, size = matcher.find_longest_match(low, high, low_after, high_after)
        matched += size
        if size and low < i and low_after < j:
            waiting.append((low, i, low_after, j))
        if size and i + size < high and j + size < high_after:
            waiting.append((i + size, high, j + size, high_after))
    return 2 * matched / (len(before) + len(after)) if before or after else 1.0


def repetition(rewrite: str) -> float:
    """1 - different word trigrams / word trigrams; 0 for ordinary text, near 1 for a model that loops."""
    spoken = words(rewrite)
    trigrams = list(zip(spoken, spoken[1:], spoken[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def monotone(moves: Sequence[float]) -> float:
    """How far `tone.move` rises with intensity 0, 1, 2, 3 of one message: Kendall's tau-b, in [-1, 1].

    1 when each step moves further, 0 when all are alike, as of a copy. Source: Kendall (1945), The treatment
    of ties in ranking problems.
    """
    from scipy.stats import kendalltau  # for evaluation; serving, which has no scipy, reads scores too

    if len(set(moves)) == 1:
        return 0.0
    return float(kendalltau(range(len(moves)), moves).statistic)


def composite(
    facts_kept: float, meaning: float, tone_moved: float, chatter: bool, insult: bool, repetition: float
) -> float:
    """The judge's one number, in [0, 1]: 0 for chatter or an insult, else

    (0.35 * facts_kept + 0.25 * clip((meaning - 0.4) / 0.4, 0, 1) + 0.4 * tone_moved) * (1 - repetition).

    What keeps all and moves nothing scores 0.6; a copy a little more, since `tone_moved` is never quite 0.
    Meaning counts no further than a cosine of 0.8, which good strong rewrites reach, so that staying close to
    the words earns nothing.
    """
    if chatter or insult:
        return 0.0
    kept = max(0.0, min(1.0, (meaning - 0.4) / 0.4))
    return (0.35 * facts_kept + 0.25 * kept + 0.4 * tone_moved) * (1 - repetition)
