"""Proposes edits that soften an English message: orders become requests, harsh words become milder ones.

The words are in `soften.yaml`. A sentence is rewritten at its front, at its end and where a second clause
starts, so that the levels of one place are alternatives and the words between stay as the person wrote them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import yaml

from data.redaction import names
from models import facts
from models.edits.script import Change, Edit


class Sentence(NamedTuple):
    """A sentence at [start, end) without its final marks, which are at [end, stop)."""

    start: int
    end: int
    stop: int


@dataclass
class _Draft:
    """The edits of one message as they are found."""

    message: str
    sentences: list[Sentence]
    facts: list[tuple[int, int]]
    is_lower: bool
    is_friendly: bool
    edits: list[Edit] = field(default_factory=list)
    requests: int = 0
    softened: set[int] = field(default_factory=set)
    hedges: set[str] = field(default_factory=set)
    leads: dict[int, int] = field(default_factory=dict)

    def text(self, sentence: Sentence) -> str:
        """The words of a sentence, without its final marks."""
        return self.message[sentence.start : sentence.end]

    def mark(self, sentence: Sentence) -> str:
        """The final marks of a sentence."""
        return self.message[sentence.end : sentence.stop]

    def add(self, rule: str, level: int, *changes: Change) -> bool:
        """Adds an edit unless it would lose a fact or change nothing; says whether it did."""
        real = tuple(sorted(c for c in changes if self.message[c.start : c.end] != c.text))
        if not real:
            return False
        for before, after in pairwise(real):
            if after.start < before.end or after.start == before.start:
                return False
        for start, end in self.facts:
            for change in real:
                inside = change.start < end and start < change.end
                if (inside or (change.start == change.end and start < change.start < end)) and (
                    self.message[start:end] not in change.text
                ):
                    return False
        self.edits.append(Edit(f"soften.{rule}", level, real))
        return True

    def cap(self, at: int, text: str) -> str:
        """The text with a capital, unless the message writes its sentences without capitals."""
        return text if self.is_lower else text[:1].upper() + text[1:]

    def cap_first(self, sentence: Sentence, at: int, text: str) -> str:
        """The text with a capital if it begins the sentence."""
        return self.cap(at, text) if at == sentence.start else text


def propose(message: str) -> list[Edit]:
    """All edits that soften a message, of all levels."""
    calm, loud = _without_shouting(message)
    sentences = _split(calm)
    spans = [(span.start, span.end) for span in facts.spans(message)]
    starts = [calm[s.start] for s in sentences if calm[s.start].isalpha()]
    is_lower = (
        bool(starts) and not any(c.isupper() for c in starts) and not re.search(r"(?<!\w)I(?!\w)", calm)
    )
    draft = _Draft(calm, sentences, spans, is_lower, bool(_KIND.search(calm)))
    if loud:
        draft.softened.add(-1)
        draft.edits += [Edit("soften.capitals", 1, (change,)) for change in loud]
    hedges = 0
    for index, sentence in enumerate(sentences):
        if _in_quotes(message, sentence):
            continue
        _calm(draft, sentence)
        if _drop_sentence(draft, index, sentence):
            continue
        before = len(draft.edits)
        _milder_words(draft, sentence)
        has_milder = len(draft.edits) > before
        if has_milder:
            draft.softened.add(index)
        if _is_item(calm, sentence):
            continue
        asked = draft.requests
        if _request(draft, sentence) or _question(draft, sentence):
            draft.softened.add(index)
            continue
        # The statement in front of an order may be a complaint too.
        has_order = _ask_inside(draft, sentence) or _order_inside(draft, sentence)
        if has_order or _wish(draft, sentence):
            draft.softened.add(index)
        if not has_order and draft.requests > asked:
            continue
        if _blame_inside(draft, sentence):
            draft.softened.add(index)
        if _refusal(draft, sentence):
            draft.softened.add(index)
        elif hedges < 3 and _complaint(draft, sentence, hedges, has_milder):
            hedges += 1
            draft.softened.add(index)
    _promote(draft)
    if draft.softened:
        _open_and_close(draft)
    return draft.edits


def _promote(draft: _Draft) -> None:
    """Moves the question of a lone order down a level: a "please" alone is too little for level 1."""
    first = [edit for edit in draft.edits if edit.level == 1]
    if len(first) != 1 or first[0].rule not in {
        "soften.order_please",
        "soften.prohibition_please",
        "soften.stop_please",
    }:
        return
    start = first[0].start
    moved = [edit for edit in draft.edits if edit.level > 1 and edit.start == start]
    if {edit.level for edit in moved} != {2, 3}:
        return
    draft.edits.remove(first[0])
    for edit in moved:
        draft.edits[draft.edits.index(edit)] = Edit(edit.rule, edit.level - 1, edit.changes)


# Sentences ------------------------------------------------------------------------------------------------

_END = re.compile(r"[.!?…]+[\"')\]]?(?=\s|$)")
_STARTS_LINE = re.compile(r"[ \t]*(?:[-*•]|\d{1,2}[.)])\s+")
_BULLET = re.compile(r"[ \t]*(?:[-*•]\s+|\d{1,2}[.)]\s+|>+\s*)?")


def _split(message: str) -> list[Sentence]:
    """The sentences of a message; a line break ends one, and the mark of a list item is in none."""
    result: list[Sentence] = []
    at = 0
    for line in message.split("\n"):
        bullet = _BULLET.match(line)
        start = at + (bullet.end() if bullet else 0)
        is_quoted = line.lstrip().startswith(">")
        for match in [] if is_quoted else _END.finditer(line):
            end, stop = at + match.start(), at + match.end()
            if end <= start:
                start = max(start, stop)
                continue
            word = message[max(start, end - 12) : end].rsplit(None, 1)[-1:] or [""]
            is_short = match.group() == "." and (
                word[0].lower().lstrip("(\"'") in _words().classes["abbreviations"]
                or (len(word[0]) == 1 and word[0].isupper())
            )
            is_number = word[0].lower() in {"no", "nr", "st", "ca"}
            if is_short and (
                message[stop : stop + 2].strip().isdigit() if is_number else message[stop : stop + 2].strip()
            ):
                continue
            result.append(Sentence(start, end, stop))
            start = stop
            while start < at + len(line) and message[start].isspace():
                start += 1
        rest = at + len(line.rstrip())
        if not is_quoted and start < rest:
            result.append(Sentence(start, rest, rest))
        at += len(line) + 1
    return result


def _is_item(message: str, sentence: Sentence) -> bool:
    """Whether a sentence is an item of a list, where questions would read oddly."""
    return (
        _STARTS_LINE.fullmatch(message[message.rfind("\n", 0, sentence.start) + 1 : sentence.start])
        is not None
    )


def _in_quotes(message: str, sentence: Sentence) -> bool:
    """Whether a sentence begins or ends inside a quotation, or has marks of code."""
    text = message[sentence.start : sentence.stop]
    return (
        text[0] in "\"'“‘«`"
        or text.count('"') % 2 == 1
        or text.count("“") != text.count("”")
        or "```" in text
    )


# Words ----------------------------------------------------------------------------------------------------


class _Words(NamedTuple):
    """The tables of `soften.yaml`, with the forms of the verbs."""

    verbs: frozenset[str]
    ambiguous: frozenset[str]
    objects: frozenset[str]
    no_objects: frozenset[str]
    base_of_ing: dict[str, str]
    past: dict[str, str]
    base_of_past: dict[str, str]
    pasts: frozenset[str]
    participles: frozenset[str]
    thirds: frozenset[str]
    any_predicate: re.Pattern[str]
    predicates: list[tuple[re.Pattern[str], str]]
    any_key: re.Pattern[str]
    phrases: list[tuple[list[str], re.Pattern[str], str]]
    sentences: list[tuple[re.Pattern[str], str]]
    empty_words: re.Pattern[str]
    empty_tails: re.Pattern[str]
    empty_sentences: re.Pattern[str]
    loud: frozenset[str]
    classes: dict[str, frozenset[str]]


@cache
def _words() -> _Words:
    data = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    ambiguous = frozenset(data["ambiguous"].split())
    verbs = frozenset(data["verbs"].split()) - ambiguous
    irregular = {base: (past, participle) for base, past, participle in data["irregular"]}
    bases = sorted(verbs | ambiguous | set(irregular) - {"be"})
    classes = {name: frozenset(text.split()) for name, text in data["classes"].items()}
    doubling = classes["doubling"]
    past = {base: irregular[base][0] if base in irregular else _ed(base, doubling) for base in bases}
    return _Words(
        verbs=verbs | {"be"},
        ambiguous=ambiguous,
        objects=frozenset(data["objects"].split()),
        no_objects=frozenset(data["no_objects"].split()),
        base_of_ing={_ing(base, doubling): base for base in bases},
        past=past,
        base_of_past={past: base for base, past in past.items()},
        pasts=frozenset(past.values()),
        participles=frozenset(irregular[b][1] if b in irregular else _ed(b, doubling) for b in bases)
        | {"been"},
        thirds=frozenset(_third(base) for base in bases),
        any_predicate=re.compile("|".join(pattern for pattern, _ in data["predicates"]), re.I),
        predicates=[(re.compile(rf"{pattern}(?![\w-])", re.I), text) for pattern, text in data["predicates"]],
        any_key=re.compile("|".join(re.escape(key) for row in data["phrases"] for key in row[0].split("|"))),
        phrases=[(key.split("|"), re.compile(pattern, re.I), text) for key, pattern, text in data["phrases"]],
        sentences=[(re.compile(pattern, re.I), text) for pattern, text in data["sentences"]],
        empty_words=re.compile(rf"(?<![\w-]){data['empty_words']}(?![\w'-])", re.I),
        empty_tails=re.compile(rf"(?:{'|'.join(data['empty_tails'])})$", re.I),
        empty_sentences=re.compile(data["empty_sentences"], re.I),
        loud=frozenset(data["loud"].split()),
        classes=classes,
    )


def _ing(base: str, doubling: frozenset[str]) -> str:
    if base.endswith("ie"):
        return f"{base[:-2]}ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")) and base != "be":
        return f"{base[:-1]}ing"
    return f"{base}{base[-1]}ing" if base in doubling else f"{base}ing"


def _ed(base: str, doubling: frozenset[str]) -> str:
    if base.endswith("e"):
        return f"{base}d"
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ied"
    return f"{base}{base[-1]}ed" if base in doubling else f"{base}ed"


def _third(base: str) -> str:
    if base in {"have", "do", "go"}:
        return {"have": "has", "do": "does", "go": "goes"}[base]
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(("s", "sh", "ch", "x", "z")) else f"{base}s"


# Loud marks and empty words -------------------------------------------------------------------------------

_CAPITALS = re.compile(r"(?<![\w-])[A-Z][A-Z'’]*[A-Z](?![\w-])")
_WORD = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z'’]+(?![\w-])")


def _without_shouting(message: str) -> tuple[str, list[Change]]:
    """The message with its loud capitals as small letters, at the same places, and the changes that do so.

    A word of the list is loud alone; in a sentence of capitals every word is that is no likely acronym.
    """
    loud = _words().loud
    changes: list[Change] = []
    calm = message
    for sentence in _split(message) if _CAPITALS.search(message) else ():
        text = message[sentence.start : sentence.end]
        capitals = list(_CAPITALS.finditer(text))
        if not capitals:
            continue
        count = len(_WORD.findall(text))
        is_shouted = len(capitals) >= 3 and len(capitals) * 10 >= count * 7
        for match in capitals:
            word = match.group()
            if word.lower() not in loud and not (is_shouted and len(word) > 3):
                continue
            at = sentence.start + match.start()
            new = word.capitalize() if match.start() == 0 else word.lower()
            new = re.sub(r"^i(?=['’])", "I", new)
            if word.lower() in _words().classes["days"]:
                new = word.capitalize()
            changes.append(Change(at, at + len(word), new))
            calm = calm[:at] + new + calm[at + len(word) :]
    return calm, changes


def _calm(draft: _Draft, sentence: Sentence) -> None:
    """Rows of marks become one mark."""
    text = draft.text(sentence)
    mark = draft.mark(sentence)
    if ("!" in mark and mark.strip("\"')]") != "!") or "??" in mark:
        closing = mark[len(mark.rstrip("\"')]")) :]
        calm = "?" if "?" in mark else "!" if _FRIENDLY.search(text) else "."
        draft.add("marks", 1, Change(sentence.end, sentence.stop, calm + closing))
    elif mark == "!" and not _FRIENDLY.search(text):
        draft.add("marks", 1, Change(sentence.end, sentence.stop, "."))


_FRIENDLY = re.compile(
    r"\b(?:thank|thanks|thx|cheers|great|good|nice|welcome|congrat\w*|happy|hi|hello|hey|"
    r"morning|all|awesome|love\w*|glad|enjoy|"
    r"please|well done|best|perfect|wonderful|excellent)\b",
    re.I,
)
_PRAISE = re.compile(
    r"(?:oh,? |just |well,? )?(?:great|wonderful|fantastic|brilliant|lovely|perfect|"
    r"awesome|amazing|terrific)(?: stuff| timing)?",
    re.I,
)
_AGAIN = re.compile(r"again", re.I)


def _drop_sentence(draft: _Draft, index: int, sentence: Sentence) -> bool:
    """A sentence without information goes or gets a milder form; "Again." joins the sentence before it."""
    text, words = draft.text(sentence), _words()
    if not index:
        # The first sentence goes with the space behind it.
        rest = draft.message[sentence.stop :]
        stop = sentence.stop + len(rest) - len(rest.lstrip(" "))
        can_go = len(draft.sentences) > 1 and words.empty_sentences.fullmatch(text.strip(" ,"))
        if can_go and draft.add("drop_sentence", 1, Change(sentence.start, stop, "")):
            draft.softened.add(index)
        return bool(can_go) or _milder_sentence(draft, index, sentence)
    previous = draft.sentences[index - 1]
    said, gap = draft.text(previous).lower(), draft.message[previous.stop : sentence.start]
    is_adjacent = gap.strip(" ") == ""
    if _AGAIN.fullmatch(text):
        if is_adjacent and draft.mark(previous) in {".", "!"} and not re.search(r"\bagain\b", said):
            draft.add("join_again", 1, Change(previous.end, sentence.end, ", again"))
        return True
    is_repeated = (
        len(text.split()) <= 3
        and draft.mark(previous) != "?"
        and draft.mark(sentence) in {".", "!"}
        and len(said) > len(text) + 8
        and bool(re.search(rf"\b{re.escape(text.lower())}\b", said))
    )
    is_sarcasm = not draft.is_friendly and bool(_PRAISE.fullmatch(text)) and bool(_CUES.search(said))
    is_empty = bool(words.empty_sentences.fullmatch(text.strip(" ,")))
    if not is_adjacent or not (is_repeated or is_sarcasm or is_empty):
        return _milder_sentence(draft, index, sentence)
    rule = "drop_repeated" if is_repeated else "drop_sarcasm" if is_sarcasm else "drop_sentence"
    if draft.add(rule, 1, Change(previous.stop, sentence.stop, "")):
        draft.softened.add(index)
    return True


def _milder_sentence(draft: _Draft, index: int, sentence: Sentence) -> bool:
    """A whole sentence of the list gets its milder form."""
    for pattern, new in _words().sentences:
        if not pattern.fullmatch(draft.text(sentence)):
            continue
        end = sentence.stop if "!" in draft.mark(sentence) else sentence.end
        text = draft.cap(sentence.start, new) + ("." if end > sentence.end else "")
        draft.edits = [edit for edit in draft.edits if edit.start < sentence.start]
        if draft.add("sentence", 1, Change(sentence.start, end, text)):
            draft.softened.add(index)
            return True
    return False


_PERSON = re.compile(r"\b(?:I|you|he|she|we|i)(?:'m|'re|'s| am| are| is| was| were)$", re.I)
_BE = re.compile(r"\b(?:is|are|was|were|be|been|looks|seems)\s+|(?<=[A-Za-z])(?:'s|'re|'m)\s+", re.I)
_ADVERBS = re.compile(
    r"(?:also|still|again|just|so|always|now|simply|really|already|honestly|frankly|"
    r"currently) ",
    re.I,
)


def _milder_words(draft: _Draft, sentence: Sentence) -> None:
    """Harsh words inside a sentence become milder or go; its front and its end belong to other rules."""
    words = _words()
    text = draft.text(sentence)
    taken: list[tuple[int, int]] = []

    def replace(rule: str, start: int, end: int, new: str) -> None:
        if len(taken) > 12 or any(start < b and a < end for a, b in taken):
            return
        at = sentence.start + start
        if start == 0 and text[0].isupper():
            new = new[:1].upper() + new[1:]
        if draft.add(rule, 1, Change(at, sentence.start + end, new)):
            taken.append((start, end))

    lower = text.lower()
    for keys, pattern, new in words.phrases if words.any_key.search(lower) else ():
        for match in pattern.finditer(text) if any(key in lower for key in keys) else ():
            replace("phrase", match.start(), match.end(), match.expand(new))
    for be in _BE.finditer(text):
        at = be.end()
        adverb = _ADVERBS.match(text, at)
        at = adverb.end() if adverb else at
        if re.match(r"also |still |again ", text[at:]):
            at = text.index(" ", at) + 1
        if (
            not words.any_predicate.match(text, at)
            or lower[at - 4 : at] == "not "
            or "either " in lower[max(0, at - 80) : at]
        ):
            continue
        for pattern, new in words.predicates:
            harsh = pattern.match(text, at)
            if not harsh:
                continue
            is_person = bool(_PERSON.search(text[max(0, be.end() - 30) : be.end()].rstrip()))
            if is_person and not re.match(
                r"quite upset|a bit|not happy|not part|not something|something for", new
            ):
                break
            replace("predicate", harsh.start(), harsh.end(), harsh.expand(new))
            break
    tail = words.empty_tails.search(text, max(0, len(text) - 70))
    if tail and tail.start() > 8:
        is_asked = "?" in draft.mark(sentence) and not re.match(
            r"(?:why|what|who|how|when|where|which|can|could|will|would|do|does|did|is|are|have|"
            r"has|should)\b",
            text,
            re.I,
        )
        if is_asked:
            draft.add("empty_tail", 1, Change(sentence.start + tail.start(), sentence.stop, "."))
        else:
            replace("empty_tail", tail.start(), tail.end(), "")
    for match in words.empty_words.finditer(text):
        if match.start() == 0:
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        after = text[match.end() : match.end() + 2]
        if re.search(
            r"\b(?:an?|is|are|was|were|be|so|too|not|very|that|and|or)\s*$", before, re.I
        ) or not re.match(r" \w", after):
            continue
        replace("empty_word", match.start(), match.end() + 1, "")


# Orders ---------------------------------------------------------------------------------------------------

_NAME_LEAD = re.compile(
    r"(?P<name>(?:(?:Mr|Mrs|Ms|Dr)\.? )?[A-Za-zÀ-ž][\w'’-]*(?: (?:and|&) "
    r"[A-ZÀ-Ž][\w'’-]*)?)(?P<sep>,| -| –|:)\s+",
    re.I,
)
_BARE_NAME = re.compile(
    r"([A-ZÀ-Ž][\w'’-]+) (?=(?:you|your|the|this|that|why|who|can|could|please|pls|don't|"
    r"i|we|it|it's|what|where|how)\b)"
)
_CONDITION = re.compile(
    r"(?:if|when|once|before|after|until|as soon as|whenever|unless)"
    r"[^,.;:!?\n]{0,90}?(?P<comma>, (?:then )?)",
    re.I,
)
_SHORT_LEADS = re.compile(
    r"(?:next time|from now on|in (?:the )?future|until then|after that|before that|in "
    r"that case|for now|by (?:tomorrow|tonight)|for the last time|starting (?:today|now|"
    r"tomorrow)),? |then ",
    re.I,
)
_FILLERS = re.compile(
    r"(?:(?:please|pls|plz|just|simply|finally|seriously|honestly|look|listen|frankly|"
    r"come on|for god's sake|for once|"
    r"(?:do your job|wake up|grow up|get your act together|get a grip|stop (?:whining|"
    r"complaining|moaning)) and|"
    r"okay|ok|now),? )+",
    re.I,
)
_JOINERS = re.compile(r"(?:and|so|but|then|also|first|now|instead|plus|therefore|meanwhile),? ", re.I)


class _Order(NamedTuple):
    """An order whose fillers start at `start` and whose verb starts at `verb_end`."""

    start: int
    verb_end: int
    kind: str
    phrase: str
    adverb: str


_NEGATIVE = re.compile(
    r"(?:do not|don't|dont|don’t|never)(?: (?:ever|even think of))? ([a-z][a-z-]*)\b", re.I
)
_STOP = re.compile(r"stop (?:(?P<not>not) )?([a-z-]+ing)\b", re.I)
_DUTY = re.compile(
    r"you(?: guys| all)?(?: really| just| still| also| now)?(?:(?:'ll|’ll| will)? (?:need "
    r"to|have to|must|gotta)|(?:'ve|’ve| have) got to| should| better|'d better| had "
    r"better)"
    r"(?: really| just| also| finally)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_WANT_YOU = re.compile(
    r"i(?: really| just| also| still|'d| would)? (?:need|want|expect|like) (?:all of "
    r")?you(?: guys| all)? to(?: finally| just| please)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_EITHER_YOU = re.compile(
    r"either you (?:(?:will|can) )?(?P<not>not )?([a-z][a-z-]*)\b(?=[^.!?]* or (?:i|we|"
    r"you|it)\b)",
    re.I,
)


def _find_order(draft: _Draft, sentence: Sentence, start: int) -> _Order | None:
    """The order that begins at `start` in the message, fillers included."""
    text = draft.message[: sentence.end]
    filler = _FILLERS.match(text, start)
    at = filler.end() if filler else start
    adverb = ""
    joiner = (
        re.compile(r"(?:also|first|then|now|instead) (?=[a-z])", re.I).match(text, at)
        if at == start
        else None
    )
    if joiner:
        adverb, at = joiner.group().lower(), joiner.end()
        filler = _FILLERS.match(text, at)
        at = filler.end() if filler else at
    match = _NEGATIVE.match(text, at)
    if match:
        verb = match.group(1).lower()
        # Almost any word may follow "don't", but "Don't know yet" has lost its "I".
        if verb in _words().classes["first_person"] or verb.endswith(("ing", "ly")):
            return None
        if verb == "be" and re.match(r" (?:surprised|shocked|afraid|shy)\b", text[match.end() :]):
            return None
        if verb == "ask" and not text[match.end() :].strip():
            return None
        if verb in {"worry", "hesitate"} or (
            verb == "get" and "wrong" in text[match.end() : match.end() + 12]
        ):
            return None
        never = "never " if match.group().lower().startswith("never") else ""
        kind = "never" if never else "not"
        return _Order(start, match.start(1), kind, f"{never}", adverb)
    match = _STOP.match(text, at)
    if match and not match.group("not"):
        return _Order(start, at + 5, "stop", "stop ", adverb)
    word = re.compile(r"[A-Za-z][a-z]*(?:-[a-z]+)?(?=[ ]|$)").match(text, at)
    if word and _begins_order(draft, text, word.group().lower(), word.end(), at == sentence.start):
        return _Order(start, at, "do", "", adverb)
    return None


def _is_verb(word: str) -> bool:
    words = _words()
    return word in words.verbs or word in words.ambiguous or word in words.past


# "Order 7731: ..." and "Pay app 6 is late": the verb was a noun, and the clause has a verb of its own.
_NOUN_CLAUSE = re.compile(
    r" #?[\w.-]{0,20}\d:|(?! (?:the|a|an|this|that|these|those|it|them|him|her|me|us|my|"
    r"your|our|his|their|what|whatever|who|how|all|everything|whether|why|where|when|if|"
    r"sure)\b)"
    r"(?: (?!(?:that|which|who|if|when|before|until|because|and|what|how|why|where|"
    r"whether|so|or|but|as|after|since|the|a|an|your|my|our|it|they|we|you|i|he|she|this|"
    r"there)\b)[\w'’#/.-]{1,30}){1,5}"
    r" (?:is|are|was|were|has|had|will|isn't|aren't|wasn't|doesn't|don't|didn't|fails|"
    r"failed|won't|hasn't|can't|looks|works|needs|get|gets|goes|have|need|want)\b",
    re.I,
)


def _ends_plural(verb: str, word: str) -> bool:
    """Whether the word may be the plural object of a verb that rarely stands before one as a noun."""
    return (
        len(word) > 3
        and word.endswith("s")
        and not word.endswith("ss")
        and verb not in _words().classes["compound_heads"]
    )


def _begins_order(draft: _Draft, text: str, verb: str, end: int, is_first: bool) -> bool:
    """Whether a base verb begins an order, judged by the words after it."""
    words = _words()
    if _NOUN_CLAUSE.match(text, end):
        return False
    following = re.compile(r" [\"“'‘]?([\w'’-]+)( [\w'’-]+)?").match(text, end)
    word = following.group(1).lower() if following else ""
    second = (following.group(2) or "").strip().lower() if following else ""
    if verb in words.ambiguous:
        if re.search(r"\b(?:please|pls|plz)\b", text[max(0, end - 20) :], re.I) and word in {
            "in",
            "on",
            "to",
            "with",
            "by",
            "for",
        }:
            return True
        if verb in _words().classes["rarely_ordered"] and word not in words.objects:
            return False
        if verb == "call" and word == "in":
            return True
        if verb == "look" and word in {"at", "into", "up", "after", "through", "for"}:
            return True
        if (
            verb in {"work", "focus", "comment", "act", "report"}
            and word in {"on", "to", "with"}
            and second not in {"is", "was"}
        ):
            return second in words.objects or verb == "focus"
        if word in {"or", "and"}:
            return word == "or" and not is_first and second in words.verbs
        if verb == "have" and (second in _words().classes["wishes"] or word in {"fun", "no", "you"}):
            return False
        if verb in {"stop", "wait"} and not word:
            return True
        is_object = word in words.objects or bool(
            following
            and (following.group(1)[0].isupper() or word[0].isdigit() or _ends_plural(verb, word))
            and verb in _words().classes["calls"]
            and word not in {"i", "we"}
        )
        return is_object and second not in {"is", "was", "are", "were", "isn't", "has"}
    if (
        verb not in words.verbs
        and not (
            verb.startswith(("re", "un"))
            and verb[2:].lstrip("-") in words.verbs | words.ambiguous
            and len(verb) > 5
        )
    ) or (word in {"or", "and"} and not second):
        return False
    if (verb == "do" and word in _words().classes["after_auxiliary"]) or (
        verb == "use" and word in {"case", "cases"}
    ):
        return False
    if (
        (verb in {"give", "take"} and word == "or")
        or "not" in {word, second}
        or (word == "only" and not is_first)
    ):
        return False
    if word in words.no_objects or (not word and verb not in _words().classes["ordered_alone"]):
        return False
    if verb == "let":
        if word in {"me", "us"}:
            return second in {"know", "have", "see"}
        return word in _words().classes["let_whom"]
    if verb == "come" and word in {"on", "to"}:
        return word == "to"
    if word in {"care", "well", "soon"} or (verb == "take" and second == "care"):
        return False
    if verb in {"take", "get"} and (second in {"time"} or word == "well"):
        return False
    if verb in _words().classes["adjectives"]:
        return (
            word in words.objects
            or bool(following and following.group(1)[0].isupper())
            or (verb in {"clean", "open"} and word in {"up", "with"})
        )
    is_clause = word in {"what", "whatever", "whoever", "everything", "all", "that"}
    return not (second in {"is", "are", "was", "were", "has", "will"} and not is_clause)


# Where the order ends and a statement begins that must not become part of the question.
_SUBJECT = (
    r"(?:I|i|we|you|it|they|he|she|this|that|there|nobody|no one|everyone|everybody|"
    r"somebody|someone|otherwise|else|I'm|I've|I'll|I'd|i'm|i've|i'll|"
    r"it's|that's|there's|we're|we've|we'll|you're|you've|you'll|they're|they've|they'll|"
    r"he's|she's|don't|do not|never|not because|thanks|thank you|thx|cheers|stop|anything|"
    r"half)"
)
_BREAK = re.compile(
    rf"(?P<sep>,? (?:or else|or|otherwise|else) (?=(?!else){_SUBJECT}\b|my |our |your |"
    rf"(?:[\w'-]+ ){{1,4}}?(?:will|won't|can't|gets|goes|gets)\b)"
    rf"|(?:,| -+| –| —|;) (?:and |but )?(?!this time|that way)(?=(?:(?:from now on|next "
    rf"time|last time|then|right now|otherwise) )?{_SUBJECT}\b)"
    rf"|,? and (?=[A-Z]\w+ (?:can|will|has|is|gets)\b)"
    rf"|,? (?:and|but) (?=(?:please|pls|don't|do not|never) )|,? or (?=(?:lose|risk|face|forget|"
    rf"get off|stop|don't|do "
    rf"not) )|, (?=(?:just|simply) [a-z]+ )"
    rf"|(?: -+| –| —|;) (?=\w)"
    rf"|,? and (?=(?:I|i|we|you|it|they|he|she)(?:'ll|’ll|'m|'re|’m|’re| (?!and\b|need\b|"
    rf"want\b|have\b)[a-z]+)\b)"
    rf"|, (?=(?:(?!(?:which|who|that|if|when|where|what|how|why|whether|and|or|but|because|"
    rf"so|as|since|unless|until|before|after|not|then|than|to)\b)[\w'’-]+ ){{1,3}}"
    rf"(?:is|are|was|were|has|have|will|doesn't|don't|isn't|aren't|can't|cannot|can|won't|need|needs)\b)"
    rf"|, (?=(?:the|my|our|your|his|her|their|these|those|half|nothing|all|every) "
    rf"(?:[\w'-]+ ){{1,3}}?(?:is|are|was|were|has|have|will|needs|need|can't|can|won't|"
    rf"isn't|doesn't|don't|starts|start|ends|leaves|closes|goes|expires|wants|comes)\b))"
)


def _break_of(text: str, start: int) -> re.Match[str] | None:
    """The place after `start` where a statement of its own begins."""
    return _BREAK.search(text, start)


_AFRAID_OTHERWISE = re.compile(r"(?:I|we|it|they|my|our|the|you)\b", re.I)
_IMPLIED_YOU = re.compile(r"(?P<loss>lose|risk|face) |(?:forget|get off|stop|don't|do not) ")
_NO_MORE_HELP = re.compile(
    r"(?:i'm not|i won't|we won't|we're not|i can't|we can't|i will not|i cannot)\b", re.I
)
_THEN_I = re.compile(r"(?:i|we|you|it|they|he|she)(?:'ll|’ll| will| can)\b", re.I)
_JUST = re.compile(r"(?:just|simply) (?=(?P<verb>[a-z-]+))", re.I)
_PROHIBITION = re.compile(r"(?:don't|do not|never|stop) ", re.I)
_OTHERWISE = re.compile(r"(?:otherwise|else)\b", re.I)
_PLEASE = re.compile(r"(?:please|pls) ", re.I)
_BARE_WORD = re.compile(r"[a-z-]+(?= )")


def _changes_for_break(
    draft: _Draft, match: re.Match[str] | None, sentence: Sentence, level: int
) -> list[Change]:
    """The changes that end a question before a statement, or at the end of the sentence."""
    if match is None:
        mark = draft.mark(sentence)
        closing = mark[len(mark.rstrip("\"')]")) :]
        return [Change(sentence.end, sentence.stop, "?" + closing)]
    joiner = match.group("sep").strip(" ,;-–—").lower()
    message, start, at = draft.message, match.start(), match.end()
    afraid = "i'm afraid " if draft.is_lower else "I'm afraid "

    def begin(words: str, end: int = at) -> list[Change]:
        return [Change(start, end, "? " + draft.cap(at, words))]

    implied, just = _IMPLIED_YOU.match(message, at), _JUST.match(message, at)
    otherwise = _OTHERWISE.match(message, at)
    if joiner == "or" and implied:
        return begin("otherwise you will " if implied.group("loss") else "otherwise please ")
    if just and _is_verb(just.group("verb").lower()):
        return begin("please ", just.end())
    if otherwise:
        return begin("otherwise", otherwise.end())
    if joiner in {"or", "or else", "otherwise", "else"}:
        is_afraid = level == 3 and _AFRAID_OTHERWISE.match(message, at)
        return begin("otherwise " + (afraid if is_afraid else ""))
    if joiner in {"and", "but"} and _PROHIBITION.match(message, at):
        return begin(f"{joiner} please {message[at].lower()}", at + 1)
    if _PROHIBITION.match(message, at):
        return begin("please " + message[at].lower(), at + 1)
    if joiner == "and" and _PLEASE.match(message, at):
        return begin("and ")
    if joiner == "and" and (_THEN_I.match(message, at) or "," not in match.group("sep")):
        return begin("then ")
    if joiner == "but":
        return begin("but ")
    if level == 3 and not joiner and _NO_MORE_HELP.match(message, at):
        return begin(afraid)
    word = _BARE_WORD.match(message, at)
    if word and not joiner and _begins_order(draft, message[: sentence.end], word.group(), word.end(), False):
        return begin("please ")
    return begin(message[at], at + 1)


_HELLO = re.compile(
    r"(?:hi|hello|hey|dear|good morning|good afternoon|morning)(?: "
    r"[\w.’'-]{1,40}){0,3}[,!:]? +(?<=[,!:] )",
    re.I,
)
_ASKED_BEFORE = re.compile(r"(?:third|second|fourth|last) time (?:that )?I'm asking(?: you)?: ", re.I)
_SMALL_LEAD = re.compile(r"(?:(?:and|so|but|plus|therefore),?|(?:no|yes|ok|okay),) ", re.I)


def _lead_end(draft: _Draft, sentence: Sentence) -> int:
    """Where a sentence goes on after a greeting, a name or a joiner in front."""
    if sentence.start in draft.leads:
        return draft.leads[sentence.start]
    text, at = draft.message[: sentence.end], sentence.start
    hello = _HELLO.match(text, at)
    name = _NAME_LEAD.match(text, at)
    bare = _BARE_NAME.match(text, at)
    if hello:
        at = hello.end()
    elif (
        name
        and name.group("name").lower() not in _words().classes["no_names"]
        and not _is_verb(name.group("name").lower())
    ):
        at = name.end()
    elif bare and bare.group(1).lower() not in _words().classes["no_names"] and names.find(bare.group(1)):
        at = bare.end()
    elif asked := _ASKED_BEFORE.match(text, at):
        at = asked.end()
    for _ in range(2):
        if lead := _SMALL_LEAD.match(text, at):
            at = lead.end()
    draft.leads[sentence.start] = at
    return at


def _request(draft: _Draft, sentence: Sentence) -> bool:
    """Orders, duties and polite requests become requests, politer with each level."""
    text = draft.message[: sentence.end]
    at = _lead_end(draft, sentence)
    if _ask_directly(draft, sentence, at):
        return True
    if "?" in draft.mark(sentence):
        return False
    order = _find_order(draft, sentence, at)
    if order:
        return _soften_order(draft, sentence, order, at)
    for pattern in (_DUTY, _WANT_YOU, _EITHER_YOU):
        match = pattern.match(text, at)
        if match and _duty(draft, sentence, at, match):
            return True
    condition = _CONDITION.match(text, at) or _SHORT_LEADS.match(text, at)
    if condition:
        order = _find_order(draft, sentence, condition.end())
        if re.search(r"\b(?:please|pls|could you|can you)\b", condition.group(), re.I):
            order = None
        if order and not order.adverb:
            return _soften_order(draft, sentence, order, condition.end())
    return _nobody(draft, sentence, at) or _third_person(draft, sentence, at) or _passive(draft, sentence, at)


# A question mark behind a link would become part of it.
_LINK_AT_END = re.compile(r"https?://\S+$")


def _soften_order(draft: _Draft, sentence: Sentence, order: _Order, start: int) -> bool:
    """The levels of one order."""
    text = draft.message[: sentence.end]
    at, verb = order.start, order.verb_end
    verb_stop = verb + len(re.split(r"[^\w'’-]", text[verb:], maxsplit=1)[0])
    is_upper = text[at].isupper() and at == sentence.start

    def front(words: str) -> Change:
        new = words[:1].upper() + words[1:] if is_upper else words
        return Change(at, verb_stop, new + text[verb:verb_stop].lower())

    adverb = order.adverb
    rest = text[verb:]
    had_please = bool(re.search(r"\b(?:please|pls|plz)\b", text[at : sentence.end], re.I))
    trailing = re.search(r",? (?:please|pls|plz)$", rest, re.I)
    lead_please = bool(re.search(r"\b(?:please|pls|plz) ", text[at:verb], re.I))
    inner_please = had_please and not lead_please and not trailing
    match = _break_of(text, verb + 1)
    if order.kind in {"not", "never"}:
        match = _next_order(draft, text, verb, match)
    tail = _words().empty_tails.search(draft.text(sentence), max(0, len(draft.text(sentence)) - 70))
    if match and tail and sentence.start + tail.start() <= match.start():
        match = None
    is_list = len(rest) > 170 or ":" in re.sub(r"\d:\d", "", rest) or bool(_LINK_AT_END.search(rest))
    rank = draft.requests
    draft.requests += 1
    name = {"do": "order", "not": "prohibition", "never": "prohibition", "stop": "stop"}[order.kind]
    plain = {"do": "", "not": "don't ", "never": "never ", "stop": "stop "}[order.kind]
    asked = {"do": "", "not": "not ", "never": "never ", "stop": "stop "}[order.kind]
    please = "" if trailing or inner_please else "please "
    if not had_please:
        ending = [] if draft.mark(sentence) != "!" else [Change(sentence.end, sentence.stop, ".")]
        draft.add(f"{name}_please", 1, front(f"{adverb}please {plain}"), *ending)
    if order.kind == "not" and rest.startswith("forget"):
        end = _changes_for_break(draft, match, sentence, 2)
        start_of = Change(
            at, verb_stop, "Could you please remember" if is_upper else "could you please remember"
        )
        draft.add("forget_remember", 2, start_of, *end)
        return True
    if is_list or (
        match is None
        and re.search(
            r", (?:the|my|our|your|his|her|their|this|these|those|[A-Z][a-z]+ (?:is|has|was|"
            r"will)) ",
            rest,
        )
    ):
        return True  # A statement or a list may follow, which must not become part of a question.
    if not re.search(r"[?]", text[verb:]):
        ends = [_changes_for_break(draft, match, sentence, level) for level in (2, 3)]
        if trailing and match is None:
            closing = draft.mark(sentence)[len(draft.mark(sentence).rstrip("\"')]")) :]
            cut = Change(verb + trailing.start(), sentence.stop, "?" + closing)
            draft.add(f"{name}_question", 1, front(f"could you {adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 2, front(f"could you please {adverb}{asked}"), cut)
            draft.add(f"{name}_question_please", 3, front(f"could you please {adverb}{asked}"), cut)
        elif had_please:
            polite = "" if order.kind == "do" else please
            draft.add(f"{name}_question", 1, front(f"could you {polite}{adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 2, front(f"could you {please}{adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 3, front(f"could you {please}{adverb}{asked}"), *ends[1])
        elif rank % 2 == 0 or order.kind != "do":
            draft.add(
                f"{name}_question",
                2,
                front(
                    f"could you {please}{adverb}{asked}"
                    if order.kind in {"not", "never"}
                    else f"could you {adverb}{asked}"
                ),
                *ends[0],
            )
            if order.kind in {"not", "never"}:
                wish = (
                    f"may I ask you {adverb}{asked}to "
                    if not draft.is_lower
                    else f"may i ask you {adverb}{asked}to "
                )
                draft.add(f"{name}_ask", 3, front(wish), *ends[1])
            else:
                draft.add(f"{name}_question_please", 3, front(f"could you {please}{adverb}{asked}"), *ends[1])
        else:
            draft.add(f"{name}_would", 3, front(f"would you {please}{adverb}{asked}"), *ends[1])
    return True


_COMMA_ORDER = re.compile(r"(?P<sep>, |; )(?=(?P<verb>[a-z-]+) )")


def _next_order(draft: _Draft, text: str, start: int, until: re.Match[str] | None) -> re.Match[str] | None:
    """Where after a prohibition an order begins, which must not be read as prohibited too."""
    for match in _COMMA_ORDER.finditer(text, start, until.start() if until else len(text)):
        if _begins_order(draft, text, match.group("verb"), match.end("verb"), False):
            return match
    return until


_THANKS = re.compile(r"\b(?:thanks?|thx|cheers|grateful|appreciate[ds]?|regards|ty)\b", re.I)


def _thanks(draft: _Draft) -> str:
    return " thank you!" if draft.is_lower else " Thank you!"


def _duty(draft: _Draft, sentence: Sentence, at: int, match: re.Match[str]) -> bool:
    """A duty such as "you need to fix it" is asked for as "could you fix it?"."""
    verb = match.group(2).lower()
    if not _is_verb(verb) or (
        verb in _words().classes["no_order"] and verb not in {"get", "go", "do", "come"}
    ):
        return False
    text = draft.message[: sentence.end]
    is_upper = text[at].isupper() and at == sentence.start
    negation = "not " if match.group("not") else ""
    start = match.start(2)
    end = _break_of(text, start)

    def front(words: str) -> Change:
        return Change(at, start, words[:1].upper() + words[1:] if is_upper else words)

    draft.requests += 1
    closing = _changes_for_break(draft, end, sentence, 2)
    last = _changes_for_break(draft, end, sentence, 3)
    draft.add("duty_please", 1, front(f"please {'do not ' if negation else ''}"))
    draft.add("duty_question", 2, front(f"could you {negation}"), *closing)
    draft.add("duty_question_please", 3, front(f"could you please {negation}"), *last)
    return True


_ASK = re.compile(
    r"(?P<modal>can|will|would|could) (?P<who>you|someone|somebody|anyone|anybody|we|i|"
    r"you guys)(?: please| pls)? (?P<verb>[a-z][a-z-]*)\b",
    re.I,
)


def _ask_directly(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """A question such as "Can you send it?" gets a softer modal, a "please" and thanks."""
    text = draft.message[: sentence.end]
    match = _ASK.match(text, at)
    if not match and "?" in draft.mark(sentence):
        plain = re.compile(r"can (?=(?:the |your |my |our |this |that |it |these )?[a-z]+ )", re.I).match(
            text, at
        )
        if plain:
            draft.add("modal", 1, Change(at, plain.end(), "Could " if text[at].isupper() else "could "))
            draft.requests += 1
            return True
    if (
        not match
        or not _is_verb(match.group("verb").lower())
        or match.group("verb").lower() in {"mind", "be"}
    ):
        return False
    if match.group("who").lower() in {"we", "i"} and match.group("modal").lower() in {"will", "would"}:
        return False
    who = match.group("who") if not match.group("who").lower().endswith("guys") else "you"
    has_please = bool(re.search(r"\b(?:please|pls)\b", draft.text(sentence), re.I))
    modal = {"can": "could", "will": "would"}.get(match.group("modal").lower(), match.group("modal").lower())
    modal = modal.capitalize() if match.group("modal")[0].isupper() else modal
    draft.requests += 1
    front = Change(at, match.end("who"), f"{modal} {who}")
    if modal.lower() != match.group("modal").lower():
        draft.add("modal", 1, front)
    elif not has_please and who.lower() not in {"we", "i"}:
        draft.add("modal_please", 1, Change(at, match.end("who"), f"{modal} {who} please"))
    if not has_please:
        draft.add(
            "modal_please",
            2,
            Change(
                at, match.end("who"), f"{modal} {who} please" if who.lower() != "i" else f"{modal} I please"
            ),
        )
    return True


_ASK_INSIDE = re.compile(
    r"(?:(?<=[,;:–—-]) (?:(?:so|but|and|then) )?|(?<= )(?:so|but|and) )(?=(?:can|will) "
    r"(?:you|someone|somebody|anyone|anybody|we)\b)",
    re.I,
)


def _ask_inside(draft: _Draft, sentence: Sentence) -> bool:
    """A question such as "can someone check?" at the end of a longer sentence."""
    text = draft.message[: sentence.end]
    if text.endswith("or not"):
        return False
    return any(
        _ask_directly(draft, sentence, match.end())
        for match in islice(_ASK_INSIDE.finditer(text, sentence.start), 6)
    )


_ANYONE = re.compile(
    r"(?P<who>somebody|someone|everyone|everybody) (?:(?P<modal>needs to|has to|should|"
    r"must|should probably) )?(?P<verb>[a-z-]+)\b",
    re.I,
)


def _third_person(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """An order to someone: "Someone needs to fix it" is asked for as "Could someone fix it?"."""
    text = draft.message[: sentence.end]
    match = _ANYONE.match(text, at)
    if not match or not (
        match.group("verb").lower() in _words().verbs or match.group("verb").lower() in _words().ambiguous
    ):
        return False
    verb = match.group("verb").lower()
    if (verb in _words().classes["no_order"] and verb not in {"get", "go", "do"}) or (
        not match.group("modal") and verb in _words().pasts
    ):
        return False
    who = match.group("who").lower()
    closing = _changes_for_break(draft, _break_of(text, match.start("verb")), sentence, 2)
    if match.group("modal"):
        draft.add("someone_should", 1, Change(match.end("who"), match.start("verb"), " should "))
    draft.add(
        "someone_question",
        2,
        Change(at, match.start("verb"), draft.cap_first(sentence, at, f"could {who} ")),
        *closing,
    )
    draft.add(
        "someone_question_please",
        3,
        Change(at, match.start("verb"), draft.cap_first(sentence, at, f"could {who} please ")),
        *closing,
    )
    draft.requests += 1
    return True


_NOBODY = re.compile(
    r"(?P<who>nobody|no one) (?P<verb>[a-z]+)\b(?=[^.!?]*\b(?:before|without|unless|until|"
    r"except|anything|again|anymore|from now on|but)\b)",
    re.I,
)


def _nobody(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """A ban such as "Nobody enters without a badge" becomes "Please make sure that nobody enters ..."."""
    text = draft.message[: sentence.end]
    match = _NOBODY.match(text, at)
    if (
        not match
        or match.group("verb").lower() not in _words().thirds
        or match.group("verb").lower() in _words().classes["observed"]
    ):
        return False
    who = match.group("who").lower()
    closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2)
    draft.requests += 1
    end = match.end("who")
    draft.add(
        "nobody_please", 1, Change(at, end, draft.cap_first(sentence, at, f"please make sure that {who}"))
    )
    draft.add(
        "nobody_question",
        2,
        Change(at, end, draft.cap_first(sentence, at, f"could you make sure that {who}")),
        *closing,
    )
    draft.add(
        "nobody_question_please",
        3,
        Change(at, end, draft.cap_first(sentence, at, f"could you please make sure that {who}")),
        *closing,
    )
    return True


_PASSIVE = re.compile(
    r"(?P<what>(?:the|this|that|these|those|it|they|my|our|your|all|both|everything)(?: "
    r"(?!(?:is|are|was|were|has|have|that|which|who|must|need|needs|will|"
    r"and)\b)[\w'/-]+){0,5}?)"
    r" (?:must|has to|have to|needs to|need to|should|better)(?: really| just| finally| "
    r"still| now)? be (?P<pp>[a-z]+)\b",
    re.I,
)


def _passive(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """An obligation in the passive: "This must be fixed" is asked for as "Could this be fixed?"."""
    text = draft.message[: sentence.end]
    match = _PASSIVE.match(text, at)
    if not match:
        return False
    participle = match.group("pp").lower()
    if participle not in _words().participles or not _DUE.search(text, match.end()):
        return False
    what = match.group("what")
    what = what[0].lower() + what[1:]
    closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2)
    draft.requests += 1
    draft.add(
        "passive_question",
        2,
        Change(at, match.start("pp"), draft.cap_first(sentence, at, f"could {what} be ")),
        *closing,
    )
    draft.add(
        "passive_question_please",
        3,
        Change(at, match.start("pp"), draft.cap_first(sentence, at, f"could {what} please be ")),
        *closing,
    )
    return True


_INSIDE = re.compile(
    r"(?:,|;| -| –| —|:) (?P<joiner>(?:and |so |then |but |now )*)(?=[a-z])|(?<=[a-z]) "
    r"(?P<so>so) (?=[a-z])"
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|wasn't|has|had|can't|cannot|doesn't|didn't|hasn't|"
    r"haven't|won't|needs|weren't|look|looks|seems|don't|need|\w+ed|owe|owes|broke|forgot|"
    r"sent|went|came|gave|lost)\b"
    r"|\w'(?:s|re|ve|m) "
)


# "We delete the old ones, page only for ..." goes on with what we do.
_UNKNOWN_ORDER = re.compile(r"\b(?:so|then) [a-z]+ (?:the|a|an|it|them|this|that|all|your)\b[^,]{0,80}$")
_PLAIN_PRESENT = re.compile(r"(?:[\w ]{0,30} )?(?:we|i|they|you) ([a-z]+) ", re.I)


def _order_inside(draft: _Draft, sentence: Sentence) -> bool:
    """An order after a statement in the same sentence: "It is broken, fix it"."""
    text = draft.message[: sentence.end]
    at = _lead_end(draft, sentence)
    for match in islice(_INSIDE.finditer(text, at), 12):
        head = text[max(at, match.start() - 200) : match.start()]
        if match.group("so") and not _STATES.search(head):
            continue
        if match.group("joiner") == "and " and not re.search(r"\b(?:is|are|was|were|'s)\b", head):
            continue
        if re.search(
            r"\b(?:to|will|'ll|can|could|would|should|must|may|might|let's|did|do|does|than|"
            r"please [a-z]+)\b(?! not)",
            head,
        ) and not re.search(r"can't|cannot", head):
            continue
        if _UNKNOWN_ORDER.search(head):
            continue
        plain = _PLAIN_PRESENT.match(head)
        if not _STATES.search(head) or (plain and plain.group(1).lower() in _words().past):
            continue
        order = _find_order(draft, sentence, match.end())
        if not order:
            continue
        return _soften_order(draft, sentence, order, match.end())
    return False


# Questions ------------------------------------------------------------------------------------------------

_PRONOUN = (
    r"(?:i|you|we|they|he|she|it|this|that|there|nobody|no one|somebody|someone|everybody|"
    r"everyone|nothing|everything|anyone|anybody)"
)
_WHY = re.compile(
    r"(?P<wh>why|how come|when|where|how)(?: the (?:hell|fuck|heck)| on earth| exactly| in the world)? "
    r"(?P<aux>is|are|was|were|do|does|did|has|have|can't|can|isn't|aren't|wasn't|weren't|"
    r"don't|doesn't|didn't|hasn't|haven't|will|won't|should|must|am|would)\b ?",
    re.I,
)
_WHAT = re.compile(
    r"(?P<wh>what|which)(?: the (?:hell|fuck|heck)| on earth| exactly)? (?P<aux>is|are|"
    r"was|were|did|does|do|has|have|'s) ",
    re.I,
)
_WHO = re.compile(
    r"who(?P<where> (?:on|in|at|from|of) your \w+| of you| (?:over )?here| (?:over "
    r")?there)?(?: the (?:hell|fuck)| on earth)?(?: even| actually)? (?P<verb>[a-z']+)\b",
    re.I,
)
_DID = re.compile(
    r"(?P<aux>did|have|has|do|does|are|is)(?P<who> you(?: guys)?| any(?:one|body)(?: "
    r"technical| (?:over )?here| (?:over )?there| on your (?:side|team|end)| in your "
    r"team)?| some(?:one|body)| your team| they| he| she| nobody)(?P<even>(?: even| "
    r"actually| ever| really| at least| seriously| technically)+)? (?P<verb>[a-z-]+)",
    re.I,
)
_HOW_OFTEN = re.compile(
    r"how (?:many times|often) (?:do|must|should|did) (?:i|we) (?:have to |need to "
    r")?(?:tell|ask|remind) you (?=(?:not )?to [a-z])",
    re.I,
)
_WHAT_IS_THE = re.compile(
    r"what(?:'s|’s| is)(?: exactly)? the (?=(?:\w+ )?(?:status|state|deadline|date|name|"
    r"reason|cause|progress|price|cost|budget|version|schedule|timeline|eta|address|"
    r"number|password|room|time|"
    r"scope|order|owner|amount|total|size|limit|latest)\b)",
    re.I,
)


_WHY_DID = re.compile(
    r"why (?:is|are|was|were|do|does|did|has|have|can't|isn't|aren't|wasn't|don't|doesn't|"
    r"didn't|hasn't|haven't)\b",
    re.I,
)


def _question(draft: _Draft, sentence: Sentence) -> bool:
    """Questions with blame in them become questions for information."""
    text = draft.message[: sentence.end]
    mark = draft.mark(sentence)
    at = _lead_end(draft, sentence)
    filler = _FILLERS.match(text, at)
    begin = filler.end() if filler else at
    is_question = (
        "?" in mark
        or (mark == "" and draft.is_lower)
        or (mark in {".", "!", "!!"} and _WHY_DID.match(text, begin) is not None)
    )
    if not is_question:
        return False
    end = (
        Change(sentence.end, sentence.stop, "?" + mark[len(mark.rstrip("\"')]")) :])
        if "?" not in mark or len(mark) > 1
        else None
    )
    ends = [end] if end else []
    is_upper = text[at].isupper() and at == sentence.start

    def front(words: str) -> str:
        return words[:1].upper() + words[1:] if is_upper else words

    times = _HOW_OFTEN.match(text, begin)
    if times and "?" in mark:
        draft.add(
            "how_often",
            1,
            Change(at, times.end(), front("I have asked you before ")),
            Change(sentence.end, sentence.stop, "."),
        )
        return True
    hard = re.compile(r"how (?:hard|difficult) (?:can|could|is) it (?:be )?to (?=[a-z])", re.I).match(
        text, begin
    )
    if hard and "?" in mark:
        draft.add(
            "how_hard",
            1,
            Change(at, hard.end(), front("it should be possible to ")),
            Change(sentence.end, sentence.stop, "."),
        )
        return True
    did = _DID.match(text, begin)
    if did and "?" in mark:
        return _did(draft, sentence, at, did, front)
    who = _WHO.match(text, begin)
    if who:
        verb = who.group("verb").lower()
        words = _words()
        finite = (
            verb in words.pasts
            or verb.endswith("ed")
            or verb in _words().classes["after_who"]
            or verb in words.thirds
        )
        if not finite or re.match(
            r"who (?:is|was|are|were) (?:this|that|it|they|he|she|you|the|your|our|my)\b", text[begin:], re.I
        ):
            return False
        if re.search(r"\bwho (?:even )?(?:cares|knows|needs|wants)\b", text[begin:], re.I):
            return False
        tail_start = who.start("verb")
        asker = f"who{who.group('where') or ''} "
        draft.requests += 1
        draft.add("who", 1, Change(at, tail_start, front(f"do you know {asker}")), *ends)
        draft.add("who", 2, Change(at, tail_start, front(f"could you tell me {asker}")), *ends)
        draft.add("who", 3, Change(at, tail_start, front(f"could you please let me know {asker}")), *ends)
        return True
    status = _WHAT_IS_THE.match(text, begin)
    if status:
        draft.requests += 1
        draft.add("what_is_the", 1, Change(at, status.end(), front("can you tell me the ")), *ends)
        draft.add("what_is_the", 2, Change(at, status.end(), front("could you tell me the ")), *ends)
        draft.add(
            "what_is_the", 3, Change(at, status.end(), front("could you please let me know the ")), *ends
        )
        return True
    why = _WHY.match(text, begin) or _WHAT.match(text, begin)
    if not why:
        return False
    clause = _straight(text, why)
    if clause is None:
        return False
    new, resume = clause
    wh = {"how come": "why"}.get(why.group("wh").lower(), why.group("wh").lower())
    draft.requests += 1
    draft.add(
        "why",
        1,
        Change(
            at,
            resume,
            front(f"do you know {wh} {new}" if not new.startswith("you ") else f"can you tell me {wh} {new}"),
        ),
        *ends,
    )
    draft.add("why", 2, Change(at, resume, front(f"could you tell me {wh} {new}")), *ends)
    help_ = "could you please help me understand" if wh in {"why", "how"} else "could you please let me know"
    draft.add("why", 3, Change(at, resume, front(f"{help_} {wh} {new}")), *ends)
    return True


def _straight(text: str, why: re.Match[str]) -> tuple[str, int] | None:
    """The clause of a question in the order of a statement, and where the words go on as they are."""
    words = _words()
    aux = why.group("aux").lower()
    start = why.end()
    rest = text[start:]
    negation = " not" if aux.endswith("n't") and aux not in {"can't", "won't"} else ""
    plain = {
        "isn't": "is",
        "aren't": "are",
        "wasn't": "was",
        "weren't": "were",
        "don't": "do",
        "doesn't": "does",
        "didn't": "did",
        "hasn't": "has",
        "haven't": "have",
    }.get(aux, aux)
    subject = re.match(rf"({_PRONOUN})\b", rest, re.I)
    if (
        subject
        and plain not in {"do", "does", "did"}
        and re.match(
            r"(?:this|that|these|those) (?!(?:still|not|so|always|even|done|in|on|broken|taking|"
            r"happen|again|taken|only|a|an|the|my|your|our|work|here|there)\b)",
            rest,
            re.I,
        )
    ):
        subject = None
    if subject:
        what, size = subject.group(1), subject.end()
    else:
        tokens = list(re.compile(r"[\w'’./#-]+").finditer(rest))[:9]
        if not tokens:
            return None
        is_det = tokens[0].group().lower() in _words().classes["determiners"]
        if not is_det and not tokens[0].group()[0].isupper():
            return None
        # The subject must be one run of words without marks.
        run = re.match(r"[^,;:()?!\"]*", rest)
        limit = run.end() if run else 0
        size = 0
        for position, token in enumerate(tokens):
            if token.start() > limit or position < (2 if is_det else 1):
                continue
            word = token.group().lower()
            if re.fullmatch(r"that|which|who|and|or|of|for|from|to|with", word):
                if why.group("wh").lower() == "where" and word in {"for", "of", "from"}:
                    break
                return None
            if plain in {"do", "does", "did"} or plain in _words().classes["modals"]:
                is_start = word in words.past or word in {"be", "have"}
            elif plain in {"has", "have"}:
                is_start = word in words.participles or word in {"not", "still", "already", "been", "never"}
            else:
                is_start = (
                    word in _words().classes["splitters"]
                    or word.isdigit()
                    or (word.endswith(("ing", "ed")) and position >= 1)
                    or word in words.participles
                )
            if (
                is_start
                and word not in {"be", "have"}
                and plain not in {"is", "are", "was", "were", "am", "has", "have"}
                and tokens[position + 1 : position + 2]
            ):
                # "the signup form log": the last of two such words is the verb.
                is_start = tokens[position + 1].group() not in words.past
            if is_start:
                size = token.start() - 1
                break
        if not size:
            # "Where are the receipts": nothing follows the subject.
            if (
                why.group("wh").lower() in {"where", "what", "when"}
                and plain in {"is", "are", "was", "were"}
                and limit == len(rest)
                and len(tokens) <= (7 if why.group("wh").lower() == "where" else 4)
                and not re.search(
                    r"\b(?:with|about|so|up|that|this|the point|the plan|on|supposed)\b", rest, re.I
                )
            ):
                return f"{rest} {plain}", start + len(rest)
            return None
        what = rest[:size]
    what = what if what[:1] != "I" or len(what) > 1 else "I"
    resume = start + size
    following = text[resume:]
    if plain in {"do", "does", "did"} and not negation:
        verb = re.match(
            r"(?: (?P<adv>even|actually|always|still|never|just|keep|really|also))? "
            r"(?P<verb>[a-z-]+)\b",
            following,
        )
        if not verb:
            return None
        base = verb.group("verb")
        adverb = (
            f" {verb.group('adv')}"
            if verb.group("adv") and verb.group("adv") not in {"even", "actually"}
            else ""
        )
        if plain == "did":
            form = words.past.get(base)
        elif plain == "does":
            form = _third(base) if base in words.past else None
        else:
            form = base if base in words.past else None
        if verb.group("adv") == "keep":
            return None
        if not form:
            return None
        return f"{what}{adverb} {form}", resume + verb.end()
    even = re.match(r" even\b", following)
    if even:
        resume += even.end()
    if why.group("wh").lower() in {"what", "which"} and plain in {"has", "have"}:
        return None
    if (
        why.group("wh").lower() == "what"
        and subject
        and plain in {"is", "are", "was", "were"}
        and what.lower() in {"this", "that", "it"}
        and following.strip(" ") not in {"", "about", "for"}
    ):
        return None
    return f"{what} {plain}{negation}" if plain not in {
        "do",
        "does",
        "did",
    } else f"{what} {plain} not", resume


def _did(
    draft: _Draft, sentence: Sentence, at: int, match: re.Match[str], front: Callable[[str], str]
) -> bool:
    """A question such as "Did you even read it?" becomes "Did you have a chance to read it?"."""
    verb = match.group("verb").lower()
    aux = match.group("aux").lower()
    who = match.group("who").replace(" guys", "").lower()
    words = _words()
    mark = draft.mark(sentence)
    ends = [Change(sentence.end, sentence.stop, "?")] if mark != "?" else []
    if who == " nobody":
        who = " anybody"
    start = match.start("verb")
    if aux == "did" and verb in _words().classes["chance"]:
        draft.add("did_you", 1, Change(at, start, front(f"did{who} get to ")), *ends)
        draft.add("did_you", 2, Change(at, start, front(f"did{who} have a chance to ")), *ends)
        draft.add("did_you", 3, Change(at, start, front(f"may I ask if{who} had a chance to ")), *ends)
        return True
    if aux in {"have", "has"} and verb in words.participles and verb != "been":
        base = next((b for b, p in words.past.items() if p == verb), None) or verb
        if base in _words().classes["chance"]:
            draft.add(
                "did_you",
                2,
                Change(at, match.end("verb"), front(f"{aux}{who} had a chance to {base}")),
                *ends,
            )
            draft.add(
                "did_you",
                3,
                Change(at, match.end("verb"), front(f"may I ask if{who} {aux} had a chance to {base}")),
                *ends,
            )
            return True
    if match.group("even"):
        draft.add("even", 1, Change(match.end("who"), start, " "), *ends)
        return True
    return False


# Wishes and refusals --------------------------------------------------------------------------------------

_WISH = re.compile(
    r"(?:i|we)(?: really| just| still| also)? (?P<verb>need|want|expect|require)(?: to "
    r"have| to see| to get)? (?P<what>(?:the|a|an|it|them|this|that|these|those|my|your|"
    r"our|all|both|one|two|three|\d+|new|another|more|some|any|(?!you|to|in|out|no|"
    r"nothing|people|everyone|someone|somebody|nobody|everything|help|time|less|and|"
    r"or)[a-z]+)\b)",
    re.I,
)
_WISH_KNOW = re.compile(
    r"(?:i|we)(?: really| just| still| also)? (?:need|want|would like|have) to know "
    r"(?=who|what|why|when|how|where|which|if|whether|by)",
    re.I,
)
_DUE = re.compile(
    r"\b(?:by|before|until|today|tomorrow|tonight|now|asap|immediately|this (?:week|"
    r"morning|afternoon)|(?:mon|tues|wednes|thurs|fri)day)\b",
    re.I,
)
_DEADLINE = re.compile(
    r"\b(?:by|before|until|today|tomorrow|tonight|now|asap|immediately|this (?:week|"
    r"morning|afternoon)|(?:mon|tues|wednes|thurs|fri|satur|sun)day|or|urgently)\b|"
    r"\b(?:at|on) \d",
    re.I,
)
_NO_MORE = re.compile(r"no more (?!than\b)[^,;:.!?]{3,80}$", re.I)
_WISH_TO = re.compile(r"(?:i|we) want to (?=[a-z])", re.I)


def _wish(draft: _Draft, sentence: Sentence) -> bool:
    """ "I want X by Friday" becomes "I'd like X" and "Could I have X by Friday?"."""
    text = draft.message[: sentence.end]
    if "?" in draft.mark(sentence):
        return False
    at = _lead_end(draft, sentence)
    is_upper = text[at].isupper() and at == sentence.start
    who = "we" if text[at : at + 2].lower() == "we" else "I" if not draft.is_lower else "i"

    def front(words: str) -> str:
        return words[:1].upper() + words[1:] if is_upper else words

    if (
        sentence is draft.sentences[0]
        and at == sentence.start
        and _NO_MORE.match(draft.text(sentence))
        and not _FINITE.search(draft.text(sentence))
    ):
        end = [Change(sentence.end, sentence.stop, "?")]
        draft.requests += 1
        draft.add("no_more_please", 1, Change(at, at + 7, front("please, no more")))
        draft.add("no_more_question", 2, Change(at, at + 7, front("could we please have no more")), *end)
        return True
    match = _WISH_KNOW.match(text, at)
    if match:
        us = "us" if who == "we" else "me"
        closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2)
        draft.requests += 1
        draft.add("wish_know", 1, Change(at, match.end(), front(f"{who} would like to know ")))
        draft.add("wish_know", 2, Change(at, match.end(), front(f"could you tell {us} ")), *closing)
        draft.add(
            "wish_know", 3, Change(at, match.end(), front(f"could you please let {us} know ")), *closing
        )
        return True
    match = _WISH.match(text, at)
    if match:
        start = match.start("what")
        rest = text[start:]
        if re.match(r"(?:[\w'-]+ ){1,5}to (?:be |have |stop|know|talk|work|go)", rest) or re.match(
            r"(?:it|them|this|that) to ", rest
        ):
            return False
        if re.match(r"that (?!\w+ (?:by|on|before|today|now))", rest) and not re.match(
            r"that (?:by|on|before|today|now|file|list|report)\b|that$", rest
        ):
            return False
        if match.group("what").lower().endswith(("ing", "ly")):
            return False
        closing = _changes_for_break(draft, _break_of(text, start), sentence, 2)
        last = _changes_for_break(draft, _break_of(text, start), sentence, 3)
        if match.group("verb").lower() != "want" and not _DEADLINE.search(rest):
            is_claim = text[at] in "Ii" and match.group("verb").lower() == "expect"
            if not is_claim or _FINITE.search(rest):
                return False
        if match.group("verb").lower() != "want" and re.match(
            r"(?:it|them|this|that|these|those) (?:for|because|since|to)\b", rest
        ):
            return False
        draft.requests += 1
        would = (
            f"{who} would need "
            if match.group("verb").lower() in {"need", "require"}
            else f"{who} would like to have "
        )
        draft.add("wish_would", 1, Change(at, start, front(would)))
        draft.add("wish_question", 2, Change(at, start, front(f"could {who} have ")), *closing)
        draft.add("wish_question_please", 3, Change(at, start, front(f"could {who} please have ")), *last)
        return True
    match = _WISH_TO.match(text, at)
    if match:
        draft.add("wish_to", 1, Change(at, match.end(), front(f"{who} would like to ")))
        return True
    return False


def _regret(draft: _Draft) -> tuple[str, str]:
    """A hedge for level 2 and one for level 3 that no other sentence has."""
    if "afraid" in draft.hedges:
        draft.hedges.add("unfortunately")
        return "unfortunately, ", "unfortunately, "
    draft.hedges.add("afraid")
    return ("i'm afraid ", "i'm afraid that ") if draft.is_lower else ("I'm afraid ", "I'm afraid that ")


_NOT_DOING = re.compile(
    r"(?P<no>no[,.]? )?(?P<who>I|we)(?P<be>'m| am|'re| are) (?P<not>not|never)(?: just| "
    r"simply)? (?P<ing>[a-z-]+ing)\b",
    re.I,
)
_WONT = re.compile(
    r"(?P<no>no[,.]? )?(?P<who>I|we) (?P<wont>won't|will not|cannot|can't|can not) "
    r"(?P<verb>[a-z'\"-]+)\b",
    re.I,
)


def _refusal(draft: _Draft, sentence: Sentence) -> bool:
    """ "No." and "I'm not doing it" become a refusal with regret."""
    text = draft.message[: sentence.end]
    at = sentence.start
    full = draft.text(sentence)
    i_am = "i'm afraid" if draft.is_lower else "I'm afraid"
    if re.fullmatch(
        r"(?:no|nope|no way|absolutely not|certainly not|no chance|out of the question|forget "
        r"it)",
        full,
        re.I,
    ):
        end = [Change(sentence.end, sentence.stop, ".")] if "!" in draft.mark(sentence) else []
        draft.hedges |= {"afraid", "first"}
        draft.add("no", 1, Change(at, sentence.end, draft.cap_first(sentence, at, "unfortunately not")), *end)
        draft.add("no", 2, Change(at, sentence.end, f"{i_am} not"), *end)
        return True
    match = _NOT_DOING.match(text, at)
    if match:
        base = _words().base_of_ing.get(match.group("ing").lower())
        if base and base not in {"have", "say", "get", "go"}:
            who = "we" if match.group("who").lower() == "we" else match.group("who")
            plain = f"{who} won't be able to {base}"
            for level, regret in enumerate(("", *_regret(draft)), 1):
                rule = "refusal_regret" if regret else "refusal"
                new = draft.cap_first(sentence, at, f"{regret}{plain}")
                draft.add(rule, level, Change(at, match.end(), new))
            return True
    match = _WONT.match(text, at)
    if match:
        who = "we" if match.group("who").lower() == "we" else match.group("who")
        wont = match.group("wont")
        regret, regret_more = _regret(draft)
        if "first" not in draft.hedges:
            draft.hedges.add("first")
            draft.add(
                "wont",
                1,
                Change(at, match.start("wont"), draft.cap_first(sentence, at, "unfortunately, ") + f"{who} "),
            )
        draft.add(
            "wont", 2, Change(at, match.start("wont"), draft.cap_first(sentence, at, f"{regret}{who} "))
        )
        able = (
            "won't be able to"
            if wont.lower() in {"won't", "will not"}
            else "are not able to"
            if who == "we"
            else "am not able to"
        )
        if match.group("verb").lower() not in _words().classes["no_ability"]:
            draft.add(
                "wont_able",
                3,
                Change(at, match.end("wont"), draft.cap_first(sentence, at, f"{regret_more}{who} {able}")),
            )
        return True
    match = re.compile(
        r"no,? (?=(?:that|this|it|they|you|there|the)\b[^,]{2,60}(?:not|n't|no)\b)", re.I
    ).match(text, at)
    if match:
        draft.add("no_but", 1, Change(at, match.end(), draft.cap_first(sentence, at, "unfortunately, ")))
        draft.add("no_but", 2, Change(at, match.end(), f"{i_am} "))
        return True
    return False


# Complaints -----------------------------------------------------------------------------------------------

_CUES = re.compile(
    r"n't\b|n’t\b|\b(?:not|no|never|nobody|nothing|none|still(?! (?:valid|open|works?|"
    r"working|fine|good|there|possible|free|available|on time|on track))|wrong|late|"
    r"broken|broke|breaks|fail\w*|missing|miss(?:ed|es)|lost|forgot|"
    r"bad|badly|worse|worst|wast\w+|(?<!-)down|too (?:long|short|late|slow|small|big|high|"
    r"low|many|much|expensive|few|little|loud|hot|cold|dark)|gone|crash\w*|errors?|"
    r"mistakes?|problems?|stuck|ignor\w+|delet\w+|overwr\w+|incomplete|"
    r"incorrect|unable|cold|dirty|delay\w*|overdue|expired|rejected|denied|declined|"
    r"cancel\w*|useless|terrible|mess|unusable|"
    r"unreadable|inconsistent|random|rude|blocks?|blocked|leaks?|leaked|dropped|behind|"
    r"too short|slow|empty|over budget|weak|poor|outdated|"
    r"out of date|overdue|complain\w*|skipped|closed|duplicate\w*|unclear|confus\w+|"
    r"disappoint\w+|loses|hard to|mixed|double|unbalanced|"
    r"dangerous|illegal|gaps?|third time|second time|instead of|angry|upset|furious)\b",
    re.I,
)
_POSITIVE = re.compile(
    r"\b(?:unfortunately|afraid|sadly|i think|i believe|it looks like|it seems|sorry|"
    r"apolog\w+|no (?:problem|worries|rush|hurry|need|damage|data loss)|(?:not|nobody|no "
    r"one|nothing|isn't|wasn't|weren't|aren't) (?:was |is |are )?(?:affected|hurt|lost|"
    r"broken|in danger)|not (?:urgent|bad)|"
    r"thank\w*|great|good|nice|glad|happy|welcome|perhaps|maybe|probably|whenever|i guess|"
    r"congrat\w*|nothing (?:urgent|special|else|to worry)|don't worry|"
    r"excellent|fine|well|would like|don't need|doesn't need|do not need|don't have to|doesn't "
    r"have to|doesn't matter|not need\w*|not necessary|don't want|i feel|kind of|sort of|"
    r"not sure|i don't know|don't mind|if you|as i mentioned|i told you|i said|i asked|"
    r"i've asked|i want|i need)\b",
    re.I,
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|do|did|can|will|isn't|aren't|wasn't|weren't|"
    r"hasn't|haven't|hadn't|doesn't|don't|didn't|can't|cannot|won't|"
    r"keeps?|needs?|looks?|makes?|says?|shows?|reads?|takes?|costs?|breaks?|fails?|"
    r"blocks?|crashes|loses|misses|goes|comes|\w+ed)\b|\w'(?:s|re|ve) \w",
    re.I,
)
_SUBJECT_BE = re.compile(
    r"(?!(?:until|before|after|as|since|while|although|though|once|given|for|at|in|on|"
    r"from|with|by|about|not|maybe|perhaps|then|please)\b)"
    r"(?:(?!(?:or|and|but|i|you|we|because|so|who|that|which|what|whoever|if|when|where|"
    r"it|they)\b)[\w'’/#-]+ ){1,6}?"
    r"(?P<be>is|are|was|were|has|have) (?P<next>[a-z]+)\b",
    re.I,
)
_YOU_DID = re.compile(
    r"you(?: guys| all| people)? (?P<adverb>(?:also|still|just|even|always|never|"
    r"constantly|often|again|now|both|clearly|obviously|only) )?(?P<verb>[a-z']+)\b",
    re.I,
)
# A message with such words is friendly already: a hedge would turn its good news into bad news.
_KIND = re.compile(
    r"\b(?:thank you|thanks (?:for(?! nothing)|again|so|a lot|to you)|many thanks|"
    r"grateful|appreciate|sorry|i apologi[sz]e|apologies|great (?:work|job)|well done|"
    r"good (?:work|job)|congratulations|"
    r"kindly|would you mind|when you (?:have|get) (?:a|some) (?:moment|minute|chance|"
    r"time)|hope (?:you|this|all)|dear|happy to|no rush|if it's not too much)\b",
    re.I,
)
_YOUR_DEED = re.compile(
    r"your (?:team|people|guys|driver|colleagues?|department|office|crew|staff|technician|"
    r"installer|contractor|company|[a-z]+ team) [a-z]+(?:ed|ent|ft|ut|ook|ave|oke|old|"
    r"ade)\b",
    re.I,
)
_I_CANNOT = re.compile(
    r"(?:i|we)(?: just| also| really)? ?(?:can't|cannot|don't|didn't|won't|haven't|"
    r"couldn't|hadn't|still|never|have no|had no|'m not|'re not|am not|are not|'ve not|"
    r"'ve had|had to|lost|missed|got no)\b",
    re.I,
)
_SHOULD_HAVE = re.compile(r"you should(?P<not> not|n't)? have (?P<pp>[a-z]+)\b", re.I)
_NEVER = re.compile(r"(?P<who>you|nobody|no one|they|he|she) (?P<never>never )?(?P<verb>[a-z]+)\b", re.I)
_RULE_WORDS = re.compile(r"\b(?:should|must|may|might|would|ought|has to|have to|needs to)\b|\w['’]d\b", re.I)
_EMPTY_LEAD = re.compile(r"(?:honestly|frankly|seriously|obviously|clearly|look|listen|sorry but),? ", re.I)
_IF_SHOULD_HAVE = re.compile(
    r"if [^,.;:!?\n]{4,90}, (?P<should>you should(?P<not> not|n't)? have) (?P<pp>[a-z]+)\b", re.I
)
_YOU_HAVE = re.compile(r"you(?:'ve|’ve| have) (?:not |never |just )?(?P<pp>[a-z]+)\b", re.I)
_SUCCESS = re.compile(r"\b(?:won|earned|helped|improved)\b", re.I)
_BAN_WORDS = re.compile(r"\b(?:except|but|unless|until|before|without|from now|anymore)\b", re.I)
_BAN_WORDS_NOW = re.compile(
    r"\b(?:except|but|unless|until|before|without|from now|anymore|again|today|now)\b", re.I
)
_FIRST_CLAUSE = re.compile(r".{8,}?(?=[,;:]\s| (?:if|whether|what|how|why|so that) |$)", re.S)
_FIRST_WORD = re.compile(r"[\w’']+(?= )")
_YOURS = re.compile(
    r"your [\w' -]{2,40}? (?:is|are|was|were|has|have|had|says?|begins?|starts?|takes?|"
    r"shows?|ends?|contains?|costs?|uses?|[a-z]+ed)\b",
    re.I,
)
_NOT_YET = re.compile(r"\b(?:will|can|should|must|would|leaves|arrives)\b", re.I)
_NO_THREAT = re.compile(r"(?:i|we) (?:assume|think|guess|suppose|want|need|would)\b|(?:i|we)'d\b", re.I)
_NEXT_TIME = re.compile(
    r"(?P<lead>(?:next time|otherwise|or else),? )(?:(?P<who>i|we)(?:'m|'re| am| are) "
    r"(?P<ing>[a-z]+ing)\b|(?=(?:i|we|it|you|they)(?:'ll| will| goes| get| won't| "
    r"can't)\b))",
    re.I,
)
_THREAT = re.compile(
    r"if (?=(?:i|you|we|it|this|that|they|he|she|there|your)\b[^,]*(?:n't|n’t|not|late|"
    r"again|miss|fail|\bno ))[^,.;:!?\n]{4,90}, (?:then )?(?=(?:i|we|you|it|they|this|"
    r"that|the \w+|i'm|i'll|we'll|you'll)\b)",
    re.I,
)


_YOU_INSIDE = re.compile(
    r"(?P<lead>(?:,|;) (?:and |but )?(?:now |then )?| (?:and|but|because|since) (?:now |"
    r"then )?)(?=(?P<you>you(?:'ve|’ve)?) (?:also |still |just )?(?P<verb>[a-z']+)\b)",
    re.I,
)


def _blame_inside(draft: _Draft, sentence: Sentence) -> bool:
    """A hedge for blame in a later clause: "and you deleted it", "and it looks like you deleted it"."""
    text = draft.text(sentence)
    if (
        draft.is_friendly
        or "inside" in draft.hedges
        or "?" in draft.mark(sentence)
        or re.match(r"(?:if|when|unless|you)\b", text, re.I)
    ):
        return False
    words = _words()
    for match in islice(_YOU_INSIDE.finditer(text), 6):
        verb = match.group("verb").lower()
        if (
            verb in _words().classes["told"]
            or verb in _words().classes["neutral"]
            or re.search(
                r"\b(?:if|when|once|unless|until|what|that|who|which|how|why|as|where)\b[^,]*$",
                text[max(0, match.start() - 100) : match.start()],
                re.I,
            )
        ):
            continue
        has_done = match.group("you").lower() != "you" and (verb in words.participles or verb.endswith("ed"))
        did = (
            verb in words.pasts - words.past.keys()
            or verb.endswith("ed")
            or verb in {"haven't", "didn't", "keep", "weren't", "ignored", "forgot"}
        )
        if has_done or (did and match.group("you").lower() == "you"):
            at = sentence.start + match.end("lead")
            draft.hedges.add("inside")
            return draft.add("you_did_inside", 2, Change(at, at, "it looks like "))
    return False


class _Statement(NamedTuple):
    """A statement whose front may get a hedge, and where its lead and its core start."""

    draft: _Draft
    sentence: Sentence
    text: str  # the message up to the end of the statement, so that indices are those of the message
    at: int
    begin: int

    @property
    def full(self) -> str:
        """The words of the statement alone."""
        return self.text[self.sentence.start :]

    @property
    def i(self) -> str:
        """The writer, as the message spells it."""
        return "i" if self.draft.is_lower else "I"

    def add(self, rule: str, level: int, words: str, end: int, kept: str = "") -> None:
        """An edit that puts words and `kept` in place of the front up to `end`."""
        if self.text[self.at].isupper() and self.at == self.sentence.start:
            words = words[:1].upper() + words[1:]
        self.draft.add(rule, level, Change(self.at, end, words + kept))

    def regret(self) -> str:
        """A word of regret, once in a message."""
        if "unfortunately" in self.draft.hedges:
            return ""
        self.draft.hedges.add("unfortunately")
        return "unfortunately, "


def _complaint(draft: _Draft, sentence: Sentence, rank: int, has_milder: bool) -> bool:
    """A statement that blames or complains gets a hedge."""
    text = draft.message[: sentence.end]
    full = draft.text(sentence)
    if "?" in draft.mark(sentence) or len(full) < 8 or full.endswith(":"):
        return False
    if _POSITIVE.search(full) or draft.is_friendly:
        return False
    at = _lead_end(draft, sentence)
    filler = _EMPTY_LEAD.match(text, at)
    statement = _Statement(draft, sentence, text, at, filler.end() if filler else at)
    for edit in draft.edits:
        if (
            sentence.start <= edit.start <= statement.begin + 2
            and edit.end > statement.begin
            and edit.level == 1
        ):
            return _hedge_milder(draft, sentence, edit)
    if _should_have(statement) or _threat(statement):
        return True
    nobody = _nobody_did(statement)
    if nobody is not None:
        return nobody
    blame = _you_did(statement)
    if blame is not None:
        return blame
    return _noticed(statement, has_milder) or _hedge(statement, rank, has_milder)


def _hedge_milder(draft: _Draft, sentence: Sentence, edit: Edit) -> bool:
    """A hedge in front of milder words that start with "you", since two edits cannot start at one place."""
    change = edit.changes[0]
    if len(edit.changes) > 1 or change.start != sentence.start or not change.text.lower().startswith("you "):
        return False
    new = draft.cap(sentence.start, "it looks like ") + change.text[0].lower() + change.text[1:]
    draft.add("you_milder", 2, change._replace(text=new))
    return True


def _should_have(statement: _Statement) -> bool:
    """ "You should have told us" becomes "It would have helped if you had told us"."""
    match = _SHOULD_HAVE.match(statement.text, statement.begin)
    if match:
        new = f"it would have helped if you had {'not ' if match.group('not') else ''}"
        statement.add("should_have", 1, new, match.start("pp"))
        statement.add("should_have", 2, f"{statement.i} think {new}", match.start("pp"))
        statement.add("should_have", 3, f"{statement.i} believe that {new}", match.start("pp"))
        return True
    match = _IF_SHOULD_HAVE.match(statement.text, statement.begin)
    if match:
        new = f"it would have helped if you had{' not' if match.group('not') else ''}"
        statement.draft.add("should_have", 1, Change(match.start("should"), match.end("should"), new))
    return bool(match)


def _threat(statement: _Statement) -> bool:
    """What happens otherwise gets a word of regret."""
    draft, text = statement.draft, statement.text
    afraid = f"{statement.i}'m afraid "
    match = _THREAT.match(text, statement.begin)
    if match and not _NO_THREAT.match(text, match.end()):
        draft.add("threat", 2, Change(match.end(), match.end(), afraid))
        return True
    match = _NEXT_TIME.match(text, statement.begin)
    if not match:
        return False
    base = _words().base_of_ing.get((match.group("ing") or "").lower())
    if base and match.group("who"):
        new = f"{match.group('who')} will have to {base}"
        draft.add("threat_have_to", 1, Change(match.start("who"), match.end("ing"), new))
        draft.add("threat_have_to", 2, Change(match.start("who"), match.end("ing"), afraid + new))
    else:
        draft.add("threat", 2, Change(match.end("lead"), match.end("lead"), afraid))
    return True


def _nobody_did(statement: _Statement) -> bool | None:
    """ "Nobody told me" and "you never told me" get a hedge. None if it is no such statement."""
    text, draft, words = statement.text, statement.draft, _words()
    match = _NEVER.match(text, statement.begin)
    if not match or (not match.group("never") and match.group("who").lower() not in {"nobody", "no one"}):
        return None
    verb, who = match.group("verb").lower(), match.group("who").lower()
    is_past = verb in words.pasts or verb.endswith("ed") or verb in {"was", "were", "knew"}
    is_present = not match.group("never") and (
        verb in words.thirds or verb in words.classes["nobody_present"]
    )
    if verb in {"has", "needs", "had"} and text[match.end() :].startswith(" to "):
        return False
    if is_past and _BAN_WORDS.search(statement.full):
        return False
    if is_present and (verb not in words.classes["observed"] or _BAN_WORDS_NOW.search(statement.full)):
        return False
    if not is_past and not is_present:
        return None if match.group("never") else False
    start = match.start("verb")
    if is_present or match.group("never"):
        subject = {"nobody": "anybody", "no one": "anyone"}.get(who, who)
        new = f"{statement.i} don't think {subject} "
        statement.add("nobody_does", 1, new, start)
        if regret := statement.regret():
            statement.add("nobody_does", 2, regret + new, start)
        return True
    kept = text[statement.begin].lower() + text[statement.begin + 1 : start]
    statement.add("nobody_did", 1, "unfortunately, ", start, kept)
    statement.add("nobody_did", 2, "it looks like ", start, kept)
    statement.add("nobody_did", 3, f"{statement.i}'m afraid it looks like ", start, kept)
    draft.hedges.add("afraid")
    return True


_SOFT_DEEDS = {"forgot": "may have forgotten", "missed": "may have missed"}


def _you_did(statement: _Statement) -> bool | None:
    """ "You deleted it" gets a hedge. None if other hedges may suit the statement."""
    text, begin, full, words = statement.text, statement.begin, statement.full, _words()
    match = _YOU_HAVE.match(text, begin)
    if match and match.group("pp").lower() in words.participles and not _SUCCESS.search(full):
        kept = f"you{text[begin + 3]}"
        statement.add("you_have", 2, "it looks like ", begin + 4, kept)
        statement.add("you_have", 3, f"{statement.regret()}it looks like ", begin + 4, kept)
        return True
    match = _YOU_DID.match(text, begin)
    if not match:
        return None
    verb, adverb = match.group("verb").lower(), (match.group("adverb") or "").strip().lower()
    has_cue = bool(_CUES.search(full))
    if verb in {"can't", "cannot", "aren't", "are", "won't", "shouldn't"}:
        return None
    is_finite = (
        (verb in words.pasts and (verb not in words.classes["same_past"] or has_cue))
        or verb.endswith("ed")
        or verb in words.classes["you_finite"]
        or (adverb in {"always", "never", "constantly", "often"} and verb in words.past)
    )
    is_neutral = verb in words.classes["neutral"] or verb in {"had", "were"}
    if not is_finite or (is_neutral and not has_cue) or verb in words.classes["you_said"]:
        return False
    if verb == "told" and re.match(r" (?:me|us)\b", text[match.end() :]):
        return False
    end, kept = begin + 1, text[begin].lower()
    if verb in _SOFT_DEEDS:
        end, kept = match.end("verb"), f"you{text[begin + 3 : match.start('verb')]}{_SOFT_DEEDS[verb]}"
    statement.add("you_did", 1, f"{statement.i} think ", end, kept)
    statement.add("you_did", 2, "it looks like ", end, kept)
    statement.add("you_did", 3, f"{statement.regret()}it looks like ", end, kept)
    return True


def _head(statement: _Statement) -> str:
    """The first clause, or more if that is short."""
    core = statement.text[statement.begin :]
    clause = _FIRST_CLAUSE.match(core)
    return clause.group() if clause else core


def _noticed(statement: _Statement, has_milder: bool) -> bool:
    """A plain statement on what is the reader's, at the start of a message, becomes an observation."""
    head, draft = _head(statement), statement.draft
    if statement.sentence is not draft.sentences[0] or len(draft.sentences) < 2 or has_milder:
        return False
    if _CUES.search(head) or not _YOURS.match(head) or _NOT_YET.search(head) or _YOUR_DEED.match(head):
        return False
    kept = statement.text[statement.begin].lower()
    statement.add("noticed", 2, f"{statement.i} noticed that ", statement.begin + 1, kept)
    return True


def _hedge(statement: _Statement, rank: int, has_milder: bool) -> bool:
    """A hedge in front of a complaint, or inside it where its first word may be a name.

    A long message rather reports than complains, and there a hedge is out of place.
    """
    if statement.draft.message.count(" ") > 65 and not has_milder:
        return False
    text, begin, draft, head = statement.text, statement.begin, statement.draft, _head(statement)
    is_complaint = bool(_CUES.search(head)) or has_milder or bool(_YOUR_DEED.match(head))
    word = _FIRST_WORD.match(text, begin)
    if not is_complaint or not word or not _FINITE.search(head) or _RULE_WORDS.search(head):
        return False
    first = word.group()
    stem = re.split(r"['’]", first)[0].lower()
    level = 2 if has_milder or rank > 0 else 1
    if stem in {"i", "we"} and not _I_CANNOT.match(text, begin):
        return False
    if stem != "i" and stem not in _words().classes["openers"]:
        return _hedge_inside(statement, level)
    kept = first if stem == "i" and not draft.is_lower else first[0].lower() + first[1:]
    hedges = _hedges(statement, stem, has_milder)
    if hedges[0].startswith("unfortunately") and level == 1:
        level = 2 if "first" in draft.hedges else 1
        draft.hedges.add("first")
    rule = "hedge_your" if stem == "your" else "hedge"
    for number, hedge in enumerate(hedges, 1):
        if hedge and number >= level and (number == level or hedge != hedges[number - 2]):
            statement.add(rule, number, hedge, word.end(), kept)
    return any(hedges)


def _hedges(statement: _Statement, stem: str, has_milder: bool) -> tuple[str, str, str]:
    """The hedges of the three levels; no two statements of a message get the same."""
    draft, i = statement.draft, statement.i
    if stem == "your" and has_milder:
        draft.hedges.add("afraid")
        return "", f"{i} think ", f"{i}'m afraid "
    if stem == "your":
        return f"{i} think ", "it looks like ", f"{statement.regret()}it looks like "
    if "afraid" not in draft.hedges:
        draft.hedges.add("afraid")
        that = "" if stem in {"that", "this", "these", "those"} else "that "
        return "unfortunately, ", f"{i}'m afraid ", f"{i}'m afraid {that}"
    regret = statement.regret()
    return "", regret, regret


def _hedge_inside(statement: _Statement, level: int) -> bool:
    """ "Pictures are dark" becomes "Pictures are unfortunately dark"."""
    be = _SUBJECT_BE.match(statement.text, statement.begin)
    if not be or (
        be.group("be") in {"has", "have"} and be.group("next") not in _words().participles | {"not", "still"}
    ):
        return False
    at = be.start("next")
    clause = re.split(r" (?:and|but|because|so|when|if|since) ", statement.text[statement.begin : at + 80])[0]
    if not _CUES.search(clause):
        return False
    if any(edit.start == at for edit in statement.draft.edits) or not statement.regret():
        return False
    statement.draft.add("hedge_inside", level, Change(at, at, "unfortunately "))
    return True


# Greeting and thanks --------------------------------------------------------------------------------------

_GREETING = re.compile(
    r"\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|evening|"
    r"afternoon|team|all)\b",
    re.I,
)


def _open_and_close(draft: _Draft) -> None:
    """At level 3 a name in front becomes a greeting, and a request gets thanks."""
    message = draft.message
    first, last = draft.sentences[0], draft.sentences[-1]
    match = _NAME_LEAD.match(message, first.start)
    if (
        match
        and not _GREETING.match(message)
        and match.group("sep") == ","
        and match.group("name").lower() not in _words().classes["no_names"]
        and (message[first.start].isupper() or names.find(message[first.start : match.end()]))
        and not _is_verb(match.group("name").lower())
        and (names.find(match.group("name")) or match.group("name").startswith(("Mr", "Ms", "Dr")))
    ):
        draft.add("greeting_name", 3, Change(first.start, first.start, "hi " if draft.is_lower else "Hi "))
    elif not draft.requests and first.start == 0 and not _GREETING.match(message):
        _greet_first(draft, first)
    if draft.requests and not _THANKS.search(message) and last.stop == len(message.rstrip()):
        _thank(draft, last)


def _thank(draft: _Draft, last: Sentence) -> None:
    """Thanks after the last sentence; where that has no mark, they come with the edit that ends it."""
    if last.stop > last.end and not re.search(r"[\"')\]]$", draft.mark(last)):
        draft.add("thanks", 3, Change(last.stop, last.stop, _thanks(draft)))
    closing = [edit for edit in draft.edits if last.stop == last.end and edit.end == last.end]
    closing = [edit for edit in closing if edit.changes[-1].text.endswith("?")]
    if closing:
        best = max(closing, key=lambda edit: edit.level)
        end = best.changes[-1]
        thanked = (*best.changes[:-1], end._replace(text=end.text + _thanks(draft)))
        if best.level == 3:
            draft.edits.remove(best)
        draft.edits.append(Edit(best.rule, 3, thanked))
    elif last.stop == last.end and draft.message[last.end - 1].isalpha() and not _is_signature(draft, last):
        draft.add("thanks", 3, Change(last.end, last.end, "." + _thanks(draft)))


def _is_signature(draft: _Draft, last: Sentence) -> bool:
    """Whether the last line may be a name or a closing phrase, or ends in a link."""
    return len(draft.text(last).split()) < 3 or bool(_LINK_AT_END.search(draft.text(last)))


def _greet_first(draft: _Draft, first: Sentence) -> None:
    """The strongest edit at the start gets a greeting at level 3, since two edits cannot start there."""
    message = draft.message
    hello = "hi, " if draft.is_lower else "Hi, "
    at_start = [edit for edit in draft.edits if edit.changes[0].start == first.start]
    if not at_start:
        word = re.compile(r"[\w’']+").match(message, first.start)
        stem = re.split(r"['’]", word.group())[0] if word else ""
        if word and (stem.lower() in _words().classes["openers"] or stem in {"I", "i"} or draft.is_lower):
            kept = word.group() if stem in {"I", "i"} else word.group()[0].lower() + word.group()[1:]
            draft.add("greeting", 3, Change(first.start, word.end(), hello + kept))
        return
    best = max(at_start, key=lambda edit: (edit.level, edit.end - edit.start))
    change = best.changes[0]
    if not change.text or (change.end == change.start and not change.text.strip()):
        return
    keeps = change.text.startswith(("I ", "I'")) or (
        change.end > change.start and message[change.start : change.end] == change.text
    )
    text = hello + (change.text if keeps else change.text[0].lower() + change.text[1:])
    greeted = Edit(best.rule, 3, (Change(change.start, change.end, text), *best.changes[1:]))
    if best.level == 3:
        draft.edits.remove(best)
    draft.edits.append(greeted)
