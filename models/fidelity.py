"""Judges whether a rewrite still means what its message means, by checks that a reader makes.

`check` names the faults: a request that became a statement, a negation that came or went, a person or a
fact in another's place, a claim that nobody made, a clause that is gone. `score` makes one number of them. No
check knows the world: a synonym outside the lists looks like a loss, and a false claim in the message's own
words can pass. `models.fidelity_report` measures both. This file imports no heavy library, and its time grows
linearly with the length of the texts, so that it can judge drafts while a person waits.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import combinations, pairwise
from math import prod
from typing import Literal, NamedTuple, get_args

from data.records import TransformType
from models import facts
from models.fidelity_words import (
    ABSORBING,
    AFTER_IMPERATIVE,
    ASKED,
    ASKS,
    CHATTER,
    COURTESY,
    DENIALS,
    FUNCTION,
    HINGES,
    IMPERATIVES,
    IRREGULAR,
    JA_COURTESY,
    JA_DENIALS,
    JA_HINGES,
    JA_NEGATION,
    JA_NO_NEGATION,
    LABELS,
    MASK,
    NEGATORS,
    NOTES,
    OBJECTS,
    OPPOSITES,
    ORDERED,
    PERSONS,
    POLITE_VERBS,
    POLITELY,
    POSSESSIVES,
    REASON,
    REQUESTS,
    SORRY,
    TELLS,
    THANKED,
    THANKS,
)

Kind = Literal["broken", "copied", "request", "reversal", "roles", "facts", "invention", "loss"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# The probability that a rewrite is usable in spite of one fault of a kind.
_USABLE: Mapping[Kind, float] = {
    "broken": 0.0,
    "copied": 0.0,
    "reversal": 0.0,
    "roles": 0.4,
    "request": 0.3,
    "facts": 0.2,
    "loss": 0.2,
    "invention": 0.5,
}


class Fault(NamedTuple):
    """One reason why a rewrite cannot be sent as it is, and the words that it is about."""

    kind: Kind
    words: str


_TOKEN = re.compile(
    r"(?P<item>(?<![^\n])[ \t]*\d+[.)](?=\s))"  # the number of a point in a list
    r"|(?P<end>[.!?](?=[\s)\"'’”]|$)|[。！？\n])"
    r"|(?P<pause>[,;:、；：—–→・]| - )"
    r"|(?P<open>[(（])|(?P<close>[)）])"
    r"|(?P<number>[$€£¥]?\d+(?:[.,:]\d+)*%?)"
    r"|(?P<word>[^\W\d_\u3040-\u30ff\u3400-\u9fff]+(?:['’][^\W\d_\u3040-\u30ff\u3400-\u9fff]+)*)"
    r"|(?P<kanji>[\u3005\u3400-\u9fff]+)|(?P<katakana>[\u30a1-\u30ff]+)|(?P<hiragana>[\u3041-\u3096]+)"
)
_BRACKET = re.compile(r"[(（][^()（）]*[)）]?")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
# The places of one word that are compared, so that a text of one repeated word takes no quadratic time.
_MOST_PLACES = 8
_NEAR = 10  # words within which a denial may stand for a negation


@lru_cache(maxsize=1 << 14)
def _key(word: str) -> str:
    """What the forms of a lower-case English word share: "approval" and "approves" are both "appro"."""
    word = re.sub(r"'\w+$", "", IRREGULAR.get(word, word))
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and not word.endswith("ss"):
        word = re.sub(r"(?<=..)ies$", "y", word)
        word = re.sub(r"(?<=...)(?:ing|ed|ly|es|s|e)$", "", word)
        word = re.sub(r"([bdgklmnprt])\1$", r"\1", word)
    elif len(word) == 4 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:5]


class _Word(NamedTuple):
    """A word with content. `number` counts these words, `at` all words of the text, `clause` its clauses."""

    key: str
    text: str
    number: int
    at: int
    start: int  # index of its first character
    clause: int
    sentence: int
    aside: bool  # in brackets


class _Sentence(NamedTuple):
    text: str
    tokens: Sequence[str]  # all its words, in lower case
    words: Sequence[_Word]
    asks: bool  # for something, in any way
    requests: bool  # without doubt
    questions: bool
    notes: bool  # says that the message does not say something
    reasons: bool  # has a word like "because"


class _Reading(NamedTuple):
    """A text as the checks need it."""

    text: str
    tokens: Sequence[str]
    words: Sequence[_Word]
    sentences: Sequence[_Sentence]
    places: Mapping[str, Sequence[_Word]]  # by key, `_MOST_PLACES` at most
    vocabulary: Set[str]  # all its words, in lower case
    facts: Sequence[facts.Span]
    characters: frozenset[str]  # the Chinese ones
    negated: Set[int]  # numbers of the words that a negator applies to
    negators: Set[int]  # places of negators
    denials: Set[int]  # places of negators and of words that deny

    def has(self, word: _Word) -> bool:
        """Whether a word of another text is in this one. Chinese characters may stand apart."""
        if word.key in self.places:
            return True
        return _CHINESE.match(word.key) is not None and self.characters.issuperset(word.key)

    def denies(self, word: _Word, before: int, after: int) -> bool:
        """Whether a negation or a word that denies stands near a word of this text."""
        return not self.denials.isdisjoint(range(word.at - before, word.at + after))

    def list_neighbours(self, word: _Word) -> Set[str]:
        """The keys of the words within two of a word, in its sentence."""
        near = self.words[max(0, word.number - 2) : word.number + 3]
        return {other.key for other in near if other is not word and other.sentence == word.sentence}

    def says(self, word: str) -> bool:
        """Whether a word, or Chinese characters, are in this text."""
        return word in (self.text if _CHINESE.match(word) else self.vocabulary)


def _read(text: str) -> _Reading:
    tokens: list[str] = []
    words: list[_Word] = []
    sentences: list[_Sentence] = []
    negated: set[int] = set()
    negators: set[int] = set()
    denials: set[int] = set()
    begin = first_token = first_word = clause = depth = 0
    negating = imperative = False
    opening = True  # of a clause
    verb = ""  # the word that opens the clause, when it may be an imperative

    def end_sentence(end: int) -> None:
        nonlocal begin, first_token, first_word, imperative
        part = text[begin:end].strip()
        if part:
            requests = imperative or REQUESTS.search(part) is not None
            sentences.append(
                _Sentence(
                    part,
                    tokens[first_token:],
                    words[first_word:],
                    requests or ASKS.search(part) is not None,
                    requests,
                    "?" in part or "？" in part,
                    NOTES.search(_BRACKET.sub("", part)) is not None,
                    REASON.search(part) is not None,
                )
            )
        begin, first_token, first_word, imperative = end, len(tokens), len(words), False

    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group().lower().replace("’", "'")
        if kind == "item":
            continue
        if kind in ("end", "pause", "open", "close"):
            imperative = imperative or (opening is False and verb in IMPERATIVES and tokens[-1:] == [verb])
            clause, negating, opening, verb = clause + 1, False, True, ""
            if kind == "end":
                depth = 0
                end_sentence(match.end())
            elif kind != "pause":
                depth = depth + 1 if kind == "open" else max(0, depth - 1)
            continue
        at = len(tokens)
        tokens.append(token)
        keys: Sequence[str] = ()
        if kind == "word":
            imperative = imperative or (verb in IMPERATIVES and token in AFTER_IMPERATIVE)
            verb = token if opening else ""
            opening = opening and token in (
                "and",
                "then",
                "so",
                "but",
                "also",
                "just",
                "or",
                "don't",
                "please",
            )
            if token in ("because", "since", "due"):  # a reason is a clause of its own
                clause += 1
            if token in NEGATORS:
                imperative = imperative or (at == first_token and token in ("don't", "never"))
                negators.add(at)
                negating = True
                continue
            if token in DENIALS:
                denials.add(at)
            if token not in FUNCTION and token not in COURTESY:
                keys = (_key(token),)
        elif kind == "number":
            keys = (token.replace(",", ""),)
        elif kind == "kanji":
            if token not in JA_COURTESY:
                keys = [token[i : i + 2] for i in range(len(token) - 1)] or [token]
            if not JA_DENIALS.isdisjoint(token):
                denials.add(at)
        elif kind == "katakana":
            keys = (token,)
        elif JA_NEGATION.search(JA_NO_NEGATION.sub("", token)):
            negators.add(at)
            near = [
                word for word in words[-8:] if word.sentence == len(sentences) and word.aside == (depth > 0)
            ]
            negated.update(word.number for word in near[-1:])
        if kind != "word":
            opening, verb = False, ""
        for key in keys:
            words.append(_Word(key, token, len(words), at, match.start(), clause, len(sentences), depth > 0))
        if token in ABSORBING:
            negating = False
        if keys and negating:
            negated.add(words[-1].number)
            negating = False
    imperative = imperative or (verb in IMPERATIVES and tokens[-1:] == [verb])
    end_sentence(len(text))
    places: dict[str, list[_Word]] = {}
    for word in words:
        same = places.setdefault(word.key, [])
        if len(same) < _MOST_PLACES:
            same.append(word)
    return _Reading(
        text,
        tokens,
        words,
        sentences,
        places,
        set(tokens),
        facts.spans(text),
        frozenset(_CHINESE.findall(text)),
        negated,
        negators,
        negators | denials,
    )


def _join(words: Iterable[_Word]) -> str:
    return " ".join(dict.fromkeys(word.text for word in words))


def _list_clauses(reading: _Reading) -> Iterator[list[_Word]]:
    """The words outside brackets by clause; a clause of one or two is joined to the next of its sentence."""
    part: list[_Word] = []
    for word in reading.words:
        if word.aside:
            continue
        if part and (
            word.sentence != part[-1].sentence or (word.clause != part[-1].clause and len(part) > 2)
        ):
            yield part
            part = []
        part.append(word)
    if part:
        yield part


class _Pair(NamedTuple):
    """A message and its rewrite, read."""

    before: _Reading
    after: _Reading
    transform_type: str
    intensity: int
    kept: Sequence[float]  # the share of each sentence's words that is in the rewrite


# --- Broken and copied -------------------------------------------------------------------------------------

_HANGING = re.compile(r"(?:\b(?:the|a|an|of|and|or|to|with|for|from|in|by|that|is|are|was)|,|[をがにの])$")
_POLITE = frozenset(
    (
        "please",
        "thank",
        "thanks",
        "you",
        "hi",
        "hello",
        "hey",
        "dear",
        "many",
        "and",
        "kindly",
        "in",
        "advance",
    )
)


def _measure_repetition(text: str) -> float:
    """The share of runs of three words, or of eight Japanese characters, that occurred before."""
    parts, size = text.lower().split(), 3
    if _JAPANESE.search(text):
        parts, size = [character for character in text if not character.isspace()], 8
    runs = list(zip(*(parts[i:] for i in range(size)), strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _find_broken(before: _Reading, after: _Reading) -> Iterator[Fault]:
    text, rewrite = before.text, after.text
    if not after.tokens:
        yield Fault("broken", "no words")
        return
    for pattern in (MASK, CHATTER):
        match = pattern.search(rewrite)
        if match and match.group().lower() not in text.lower():
            yield Fault("broken", match.group())
    japanese, letters = len(_JAPANESE.findall(rewrite)), sum(map(str.isalpha, rewrite))
    expected, all_letters = len(_JAPANESE.findall(text)), sum(map(str.isalpha, text))
    if (5 * japanese < letters and 3 * expected > all_letters) or (3 * japanese > letters and not expected):
        yield Fault("broken", "another language")
    if _measure_repetition(rewrite) > 0.2 + _measure_repetition(text):
        yield Fault("broken", "repeats itself")
    if _HANGING.search(rewrite[-20:].rstrip().lower()) and not _HANGING.search(text[-20:].rstrip().lower()):
        yield Fault("broken", "ends in the middle")


def _strip(reading: _Reading) -> tuple[Sequence[str], int]:
    """The words without courtesy, and the number of lines: a copy has the message's."""
    lines = sum(1 for line in reading.text.splitlines() if line.strip())
    return [token for token in reading.tokens if token not in _POLITE], lines


# --- Facts -------------------------------------------------------------------------------------------------

_ASIDE = re.compile(r"[(（][^()（）\n]*[)）]|^[ \t]*\d+[.)]\s", re.MULTILINE)
_TITLED = re.compile(r"[\u30a1-\u30ff\u3400-\u9fff]{1,6}(?=さん|様|氏|くん|君|部長|課長|先生|店長)")
_MOST_ENTITIES = 16
_MOST_NEIGHBOURS = 60


def _find_facts(before: _Reading, after: _Reading) -> Iterator[Fault]:
    """Facts of the message that are gone, facts of the rewrite outside brackets that are new."""
    brackets = {at for match in _ASIDE.finditer(after.text) for at in range(*match.span())}
    for one, other, change in ((before, after, "lost"), (after, before, "new")):
        own = [one.text[start:end] for _, start, end in one.facts if one is before or start not in brackets]
        for fact in facts.lost(dict.fromkeys(own), other.text):
            if _key(fact.lower()) not in other.places and fact.lower() not in other.vocabulary:
                yield Fault("facts", f"{fact} is {change}")


def _list_entities(reading: _Reading) -> dict[str, tuple[str, set[str]]]:
    """Facts by their text in lower case, with their kind and their neighbours.

    Neighbours are the words with content within four on each side, with and without the side, and the word
    directly before.
    """
    index = {word.start: word.number for word in reading.words}
    spans: list[tuple[str, int, int]] = [*reading.facts]
    spans += [
        ("order", word.start, word.start + len(word.text)) for word in reading.words if word.text in ORDERED
    ]
    spans += [("name", *match.span()) for match in _TITLED.finditer(reading.text)]
    entities: dict[str, tuple[str, set[str]]] = {}
    for kind, start, end in sorted(spans, key=lambda span: span[1]):
        name = reading.text[start:end].lower()
        if start not in index or (name not in entities and len(entities) == _MOST_ENTITIES):
            continue
        word = reading.words[index[start]]
        neighbours = entities.setdefault(name, (kind, set()))[1]
        if len(neighbours) > _MOST_NEIGHBOURS:
            continue
        neighbours.add(f"after {reading.tokens[word.at - 1] if word.at else ''}")
        for other in reading.words[max(0, word.number - 4) : word.number + 5]:
            if other.sentence == word.sentence and not start <= other.start < end:
                neighbours.update((other.key, f"{'<' if other.number < word.number else '>'}{other.key}"))
    return entities


def _find_exchanged(before: _Reading, after: _Reading) -> Iterator[Fault]:
    """Two facts of a kind, each of which has the other's neighbours."""
    old, new = _list_entities(before), _list_entities(after)
    for one, other in combinations([name for name in old if name in new], 2):
        if old[one][0] != old[other][0]:
            continue
        own = len(old[one][1] & new[one][1]), len(old[other][1] & new[other][1])
        crossed = len(old[one][1] & new[other][1]), len(old[other][1] & new[one][1])
        if sum(crossed) >= sum(own) + 2 and crossed[0] >= own[0] and crossed[1] >= own[1]:
            yield Fault("facts", f"{one} and {other} are exchanged")


# --- Negations ---------------------------------------------------------------------------------------------


def _list_polarities(reading: _Reading) -> dict[tuple[str, str], tuple[set[bool], _Word]]:
    """Whether a word is negated, by the keys of the word before it in its sentence and of itself."""
    polarities: dict[tuple[str, str], tuple[set[bool], _Word]] = {}
    for previous, word in pairwise(reading.words):
        if previous.sentence == word.sentence:
            states = polarities.setdefault((previous.key, word.key), (set(), word))[0]
            states.add(word.number in reading.negated)
    return polarities


def _find_reversed(pair: _Pair) -> Iterator[Fault]:
    """Words that only one of the texts negates, and opposites that took each other's place."""
    before, after = pair.before, pair.after
    for one, other in ((before, after), (after, before)):
        for word in one.words:
            if word.number not in one.negated or word.aside or word.key not in other.places:
                continue
            if pair.kept[word.sentence] < 0.5 if one is before else one.sentences[word.sentence].notes:
                continue
            context = one.list_neighbours(word)
            places = [p for p in other.places[word.key] if not context.isdisjoint(other.list_neighbours(p))]
            if context and not places:
                continue
            places = places or list(other.places[word.key])
            sentences = [other.sentences[place.sentence] for place in places]
            if any(sentence.questions or sentence.notes for sentence in sentences):
                continue
            if not any(other.denies(place, _NEAR, _NEAR) for place in places):
                yield Fault("reversal", f"not {word.text}")
    old = _list_polarities(before)
    for keys, (states, word) in _list_polarities(after).items():
        if keys in old and states.isdisjoint(old[keys][0]) and not after.sentences[word.sentence].notes:
            plain, place = (before, old[keys][1]) if True in states else (after, word)
            if plain.negators.isdisjoint(range(place.at - 3, place.at + 3)):
                yield Fault("reversal", f"{'not' if True in states else 'no longer not'} {word.text}")
    if pair.transform_type != "summarize":
        for one_word, opposite in (*OPPOSITES, *(words[::-1] for words in OPPOSITES)):
            taken = before.says(one_word) and after.says(opposite)
            if taken and not before.says(opposite) and not after.says(one_word):
                yield Fault("reversal", f"{one_word}, {opposite}")


# --- Persons -----------------------------------------------------------------------------------------------


def _list_roles(reading: _Reading, orders: bool) -> dict[tuple[str, str], set[int]]:
    """The persons (1, 2, 3) who do a thing, own it or undergo it, by role and key.

    With `orders`, an imperative is something that the second person does.
    """
    roles: dict[tuple[str, str], set[int]] = {}
    for sentence in reading.sentences:
        keys = {word.text: word.key for word in sentence.words if not word.aside}
        role, person, distance, verb, opening = "", 0, 0, "", True
        for token in sentence.tokens:
            key = keys.get(token)
            distance += 1
            if token in PERSONS:
                if verb and token in OBJECTS:
                    roles.setdefault(("undergoes", verb), set()).add(PERSONS[token])
                person, role = PERSONS[token], "owns" if token in POSSESSIVES else "does"
                distance, verb, opening = 0, "", False
            elif key:
                if person and distance <= 4:
                    roles.setdefault((role, key), set()).add(person)
                elif opening and token in IMPERATIVES and (orders or "please" in sentence.tokens[:40]):
                    roles.setdefault(("does", key), set()).add(2)
                person, verb, opening = 0, key if token.isascii() else "", False
            else:
                verb = ""
                opening = token in ("and", "then", "please") or (
                    opening and token in ("don't", "so", "never", "also")
                )
                if token in ("that", "if", "when", "who", "which", "and"):
                    person = 0
    return roles


# These types put the message's words in another frame, and need no person that it does not have.
_FRAMES = ("structure", "summarize", "requirements")


def _find_roles(pair: _Pair) -> Iterator[Fault]:
    before, after = pair.before, pair.after
    old_persons = {PERSONS[token] for token in before.tokens if token in PERSONS}
    new_persons = {PERSONS[token] for token in after.tokens if token in PERSONS}
    name = ("", "I or we", "you", "he, she or they")
    if pair.transform_type in _FRAMES:
        for person in new_persons - old_persons:
            yield Fault("roles", f"{name[person]} is new")
    elif pair.transform_type != "soften":
        for person in (old_persons - new_persons) & {1, 2}:
            yield Fault("roles", f"{name[person]} is lost")
    old = _list_roles(before, orders=True)
    for (role, key), persons in _list_roles(after, orders=False).items():
        known = old.get((role, key))
        if known is None:
            if (
                pair.transform_type in _FRAMES
                and role == "does"
                and key not in before.places
                and persons & {1, 2}
            ):
                yield Fault("roles", f"{name[min(persons)]}: {key}")
        elif known.isdisjoint(persons) and not (known == {2} and persons == {1} and "we" in after.vocabulary):
            # "could we stop" asks its reader as "stop" does
            yield Fault("roles", f"{name[min(persons)]}, not {name[min(known)]}: {key}")


# --- Requests ----------------------------------------------------------------------------------------------


def _became_statement(sentence: _Sentence, after: _Reading) -> bool:
    """Whether the sentences of the rewrite that have most of a request's words do not ask."""
    shared: Counter[int] = Counter()
    for key in {word.key for word in sentence.words}:
        shared.update({place.sentence for place in after.places.get(key, ())})
    if not shared:
        return False
    most = max(shared.values())
    best = [i for i, number in shared.items() if 2 * number >= most]
    return not any(
        after.sentences[i].asks or any(near.requests for near in after.sentences[max(0, i - 1) : i + 2])
        for i in best
    )


def _find_requests(pair: _Pair) -> Iterator[Fault]:
    """Requests of the message that are statements in the rewrite, and requests that only the rewrite has."""
    before, after = pair.before, pair.after
    requests = [sentence for sentence in before.sentences if sentence.requests]
    if not LABELS.search(after.text):
        for sentence in requests:
            if _became_statement(sentence, after):
                yield Fault("request", sentence.text[:80])
    asks = sum(sentence.asks for sentence in after.sentences)
    if len(requests) > asks and (not asks or pair.transform_type not in ("summarize", "soften")):
        yield Fault("request", f"{len(requests)} became {asks}")
    tells = TELLS.search(after.text)
    if tells and not ASKED.search(before.text):
        yield Fault("request", tells.group())
    for match in POLITELY.finditer(after.text):
        verb = match.group(1).lower()
        if verb not in POLITE_VERBS and verb not in before.vocabulary and _key(verb) not in before.places:
            yield Fault("request", match.group())


# --- Inventions and losses ---------------------------------------------------------------------------------

# The share of the words outside brackets that may be new.
_NEW: Mapping[str, float] = {"terminology": 0.75, "soften": 0.5, "clarify": 0.5, "background": 0.5}
_NEW_ELSE = 0.3
# The share of the message's words that must stay.
_KEPT: Mapping[str, float] = {"soften": 0.72, "clarify": 0.7, "terminology": 0.85, "structure": 0.86}
_KEPT_ELSE = 0.9
_KEPT_OF_SUMMARY = (0.85, 0.78, 0.62, 0.47)  # by intensity
# These types keep the message's phrases, so a clause must keep some of its words.
_STRICT = ("requirements", "background", "terminology")


def _find_inventions(pair: _Pair) -> Iterator[Fault]:
    before, after = pair.before, pair.after
    for pattern, known in ((THANKS, THANKED), (SORRY, SORRY)):
        match = pattern.search(after.text)
        if match and not known.search(before.text):
            yield Fault("invention", match.group())
    words = new = 0
    japanese = _JAPANESE.search(after.text) is not None  # there, other characters may mean the same
    for clause in _list_clauses(after):
        sentence = after.sentences[clause[0].sentence]
        if sentence.notes:
            continue
        unknown = [word for word in clause if not before.has(word)]
        words, new = words + len(clause), new + len(unknown)
        if pair.transform_type == "terminology" and not sentence.reasons:  # an explanation has new words
            continue
        least = 3 + japanese - sentence.reasons
        if len(unknown) >= max(least, 0.75 * len(clause)):
            yield Fault("invention", _join(unknown))
    if words > 4 and new > (_NEW.get(pair.transform_type, _NEW_ELSE) + 0.1 * japanese) * words:
        yield Fault("invention", f"{new} of {words} words are new")


def _find_losses(pair: _Pair) -> Iterator[Fault]:
    before, after = pair.before, pair.after
    strict = pair.transform_type in _STRICT
    words = lost = 0
    for clause in _list_clauses(before):
        gone = [word for word in clause if not after.has(word)]
        words, lost = words + len(clause), lost + len(gone)
        if pair.transform_type == "summarize":
            continue
        all_gone = len(gone) == len(clause) >= (2 if strict else 3)
        most_gone = len(clause) > 2 and len(gone) > 0.6 * len(clause)
        if all_gone or (most_gone and (strict or pair.transform_type == "structure")):
            yield Fault("loss", _join(gone))
    for sentence, kept in zip(before.sentences, pair.kept, strict=True):
        if sentence.requests and len(sentence.words) > 2 and kept < 0.3:
            yield Fault("loss", sentence.text[:80])
    needed = _KEPT.get(pair.transform_type, _KEPT_ELSE)
    if pair.transform_type == "summarize":
        needed = _KEPT_OF_SUMMARY[pair.intensity]
    if words > 4 and words - lost + 1 < needed * words:  # one word may have a synonym
        yield Fault("loss", f"{lost} of {words} words")


def _find_lost_hinges(pair: _Pair) -> Iterator[Fault]:
    """Words like "until" and "only" that are gone while the words after them stayed."""
    before, after = pair.before, pair.after
    vocabulary = {*after.vocabulary, *("?" if "?" in after.text else "")}
    stayed = {word.at for word in before.words if pair.kept[word.sentence] >= 0.6 and after.has(word)}
    for hinges, enough in HINGES:
        if hinges.isdisjoint(before.vocabulary) or not enough.isdisjoint(vocabulary):
            continue
        if "not" in hinges and pair.transform_type == "soften":  # which says the same without a "no"
            continue
        if "again" in hinges and pair.transform_type == "summarize":  # which leaves the past out
            continue
        for at, token in enumerate(before.tokens):
            if token in hinges and not stayed.isdisjoint(range(at + 1, at + 4)):
                yield Fault("loss", token)
                break
    if pair.transform_type not in ("soften", "summarize"):
        text = before.text.replace("だけど", "")
        for ja_hinges, ja_enough in JA_HINGES:
            if any(hinge in text for hinge in ja_hinges) and not any(
                word in after.text for word in ja_enough
            ):
                yield Fault("loss", ja_hinges[0])


# --- The judgement -----------------------------------------------------------------------------------------


def check(text: str, rewrite: str, transform_type: TransformType, intensity: int) -> tuple[Fault, ...]:
    """The faults of a rewrite of `text`, in the order of `KINDS`, each one once; () for none.

    A broken rewrite or a copy has no other fault. At intensity 0 a copy is what was asked for.
    """
    before, after = _read(text), _read(rewrite)
    broken = tuple(_find_broken(before, after))
    if broken:
        return broken
    if _strip(before) == _strip(after):
        return (Fault("copied", "the message"),) if intensity else ()
    kept = [sum(map(after.has, each.words)) / max(1, len(each.words)) for each in before.sentences]
    pair = _Pair(before, after, transform_type, intensity, kept)
    faults = [
        *_find_requests(pair),
        *_find_reversed(pair),
        *_find_roles(pair),
        *_find_facts(before, after),
        *_find_exchanged(before, after),
        *_find_inventions(pair),
        *_find_losses(pair),
        *_find_lost_hinges(pair),
    ]
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: KINDS.index(fault.kind)))


def score(text: str, rewrite: str, transform_type: TransformType, intensity: int) -> float:
    """How probable it is that a reader finds the rewrite usable, in [0, 1]: a product over its faults.

    1 without a fault; 0 for a broken or reversed rewrite, and for a copy at an intensity above 0.
    """
    return prod(_USABLE[fault.kind] for fault in check(text, rewrite, transform_type, intensity))
