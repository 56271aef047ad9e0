"""The words of a question in the order of a statement."""

import re
from itertools import islice
from typing import NamedTuple

from models.edits.soften.words import tables, third_form

_PRONOUN = re.compile(
    r"(?:i|you(?: (?:guys|people|folks|lot|all))?|we|they|he|she|it|this|that|there|nobody|no one|"
    r"somebody|someone|everybody|everyone|nothing|everything|anyone|anybody)\b",
    re.I,
)
# "this report", in which "this" is no pronoun.
_ARTICLE = re.compile(
    r"(?:this|that|these|those) (?!(?:still|not|so|always|even|done|in|on|broken|taking|"
    r"happen|again|taken|only|a|an|the|my|your|our|work|here|there)\b)",
    re.I,
)
_TOKEN = re.compile(r"[\w'’./#-]+")
_MOST_TOKENS = 9  # of a subject are read
_RUN = re.compile(r"[^,;:()?!\"]*")  # words without marks, as a subject must be
_LINKS = frozenset({"that", "which", "who", "and", "or", "of", "for", "from", "to", "with"})
_OPEN = re.compile(r"\b(?:with|about|so|up|that|this|the point|the plan|on|supposed)\b", re.I)
_VERB = re.compile(
    r"(?: (?P<adverb>even|actually|always|still|never|just|keep|really|also))? (?P<verb>[a-z-]+)\b"
)
_EVEN = re.compile(r" even\b")
_FORMS = {
    "isn't": "is",
    "aren't": "are",
    "wasn't": "was",
    "weren't": "were",
    "don't": "do",
    "doesn't": "does",
    "didn't": "did",
    "hasn't": "has",
    "haven't": "have",
}
_DO = frozenset({"do", "does", "did"})
_BE = frozenset({"is", "are", "was", "were"})


class _Question(NamedTuple):
    """A question: its question word, its auxiliary verb without "n't", and the words behind it."""

    wh: str
    aux: str
    is_negated: bool
    rest: str


def straighten(text: str, match: re.Match[str]) -> tuple[str, int] | None:
    """The clause of a question in the order of a statement, and where the words go on as they are.

    The match has the question word as `wh` and the auxiliary verb as `aux`.
    """
    aux, start = match.group("aux").lower(), match.end()
    is_negated = aux.endswith("n't") and aux not in {"can't", "won't"}
    question = _Question(match.group("wh").lower(), _FORMS.get(aux, aux), is_negated, text[start:])
    pronoun = _PRONOUN.match(question.rest)
    if pronoun and question.aux not in _DO and _ARTICLE.match(question.rest):
        pronoun = None
    size = pronoun.end() if pronoun else _noun_size(question)
    if size is None:
        return None
    if not pronoun and size == len(question.rest):
        if is_negated:  # "Where aren't the receipts" is no question to put so
            return None
        return f"{question.rest} {question.aux}", start + size
    subject, following = question.rest[:size], question.rest[size:]
    subject = subject[:3] if pronoun and subject[:4].lower() == "you " else subject
    if question.aux in _DO and not is_negated:
        predicate = _finite_verb(question.aux, following)
        return (subject + predicate[0], start + size + predicate[1]) if predicate else None
    if question.wh in {"what", "which"} and question.aux in {"has", "have"}:
        return None
    is_vague = pronoun and subject.lower() in {"this", "that", "it"} and question.aux in _BE
    if question.wh == "what" and is_vague and following.strip(" ") not in {"", "about", "for"}:
        return None
    even = _EVEN.match(following)
    words = f"{subject} {question.aux}{' not' if is_negated else ''}"
    return words, start + size + (even.end() if even else 0)


def _noun_size(question: _Question) -> int | None:
    """The length of a subject that is no pronoun; None if it is not plain where it ends."""
    rest = question.rest
    tokens = list(islice(_TOKEN.finditer(rest), _MOST_TOKENS))
    if not tokens:
        return None
    has_article = tokens[0].group().lower() in tables().classes["determiners"]
    if not has_article and not tokens[0].group()[0].isupper():
        return None
    run = _RUN.match(rest)
    limit = run.end() if run else 0
    for position, token in enumerate(tokens):
        if token.start() > limit or position < (2 if has_article else 1):
            continue
        word = token.group().lower()
        if question.wh == "where" and word in {"for", "of", "from"}:
            break
        if word in _LINKS:
            return None
        if _begins_predicate(question.aux, tokens, position):
            return token.start() - 1
    # "Where are the receipts": nothing follows the subject.
    is_whole = (
        question.wh in {"where", "what", "when"}
        and question.aux in _BE
        and limit == len(rest)
        and len(tokens) <= (7 if question.wh == "where" else 4)
        and not _OPEN.search(rest)
    )
    return len(rest) if is_whole else None


def _begins_predicate(aux: str, tokens: list[re.Match[str]], position: int) -> bool:
    """Whether a word behind a subject belongs to the auxiliary verb."""
    words, word = tables(), tokens[position].group().lower()
    if aux in _DO or aux in words.classes["modals"]:
        begins = word in words.past or word in {"be", "have"}
    elif aux in {"has", "have"}:
        begins = word in words.participles or word in {"not", "still", "already", "been", "never"}
    else:
        begins = (
            word in words.classes["splitters"]
            or word.isdigit()
            or word.endswith(("ing", "ed"))
            or word in words.participles
        )
    following = tokens[position + 1 : position + 2]
    may_be_noun = word not in {"be", "have"} and aux not in _BE | {"am", "has", "have"}
    if begins and may_be_noun and following:
        # "the signup form log": the last of two such words is the verb.
        return following[0].group() not in words.past
    return begins


def _finite_verb(aux: str, following: str) -> tuple[str, int] | None:
    """The finite verb for a form of "do" and a base verb, with its adverb, and where that ends."""
    match = _VERB.match(following)
    if not match or match.group("adverb") == "keep":
        return None
    base, adverb = match.group("verb"), match.group("adverb")
    if base not in tables().past:
        return None
    form = {"did": tables().past[base], "does": third_form(base), "do": base}[aux]
    adverb = f" {adverb}" if adverb and adverb not in {"even", "actually"} else ""
    return f"{adverb} {form}", match.end()
