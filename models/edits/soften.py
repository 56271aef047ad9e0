"""Proposes edits that soften an English message: orders become requests, blame a hedge, harsh words milder ones.

The words are in `soften.yaml`. A sentence is rewritten at its front, at its end and where a second clause starts,
so that the levels of one place are alternatives and the words between them stay as the person wrote them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
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
        for before, after in zip(real, real[1:], strict=False):
            if after.start < before.end or after.start == before.start:
                return False
        for start, end in self.facts:
            for change in real:
                inside = change.start < end and start < change.end
                if (inside or change.start == change.end and start < change.start < end) and (
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
    is_lower = bool(starts) and not any(c.isupper() for c in starts) and not re.search(r"(?<!\w)I(?!\w)", calm)
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
    """A lone "please" is too little for level 1: if it is all that level has, the question moves down to it."""
    first = [edit for edit in draft.edits if edit.level == 1]
    if len(first) != 1 or first[0].rule not in {"soften.order_please", "soften.prohibition_please", "soften.stop_please"}:
        return
    start = first[0].start
    moved = [edit for edit in draft.edits if edit.level > 1 and edit.start == start]
    if {edit.level for edit in moved} != {2, 3}:
        return
    draft.edits.remove(first[0])
    for edit in moved:
        draft.edits[draft.edits.index(edit)] = Edit(edit.rule, edit.level - 1, edit.changes)


# Sentences -----------------------------------------------------------------------------------------------------

_END = re.compile(r"[.!?…]+[\"')\]]?(?=\s|$)")
_ABBREVIATIONS = frozenset("mr mrs ms dr prof st no nr vs e.g i.e etc approx ca inc ltd co jr sr dept tel a.m p.m".split())
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
                word[0].lower().lstrip("(\"'") in _ABBREVIATIONS or len(word[0]) == 1 and word[0].isupper()
            )
            is_number = word[0].lower() in {"no", "nr", "st", "ca"}
            if is_short and (message[stop : stop + 2].strip().isdigit() if is_number else message[stop : stop + 2].strip()):
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


def _in_quotes(message: str, sentence: Sentence) -> bool:
    """Whether a sentence begins or ends inside a quotation, or has marks of code."""
    text = message[sentence.start : sentence.stop]
    return text[0] in "\"'“‘«`" or text.count('"') % 2 == 1 or text.count("“") != text.count("”") or "```" in text


# Words ---------------------------------------------------------------------------------------------------------


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


@cache
def _words() -> _Words:
    data = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    ambiguous = frozenset(data["ambiguous"].split())
    verbs = frozenset(data["verbs"].split()) - ambiguous
    irregular = {base: (past, participle) for base, past, participle in data["irregular"]}
    bases = sorted(verbs | ambiguous | set(irregular) - {"be"})
    past = {base: irregular[base][0] if base in irregular else _ed(base) for base in bases}
    return _Words(
        verbs=verbs | {"be"},
        ambiguous=ambiguous,
        objects=frozenset(data["objects"].split()),
        no_objects=frozenset(data["no_objects"].split()),
        base_of_ing={_ing(base): base for base in bases},
        past=past,
        base_of_past={past: base for base, past in past.items()},
        pasts=frozenset(past.values()),
        participles=frozenset(irregular[b][1] if b in irregular else _ed(b) for b in bases) | {"been"},
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
    )


_DOUBLING = frozenset(
    "bar chat clip commit control cut drop dig get grab let log map nag nod plan plug prep put quit rebut refer regret run set "
    "ship shut sit skip slip split step stop submit swap tag tap tip trim unplug wrap dig win begin forget hit reset admit ban".split()
)


def _ing(base: str) -> str:
    if base.endswith("ie"):
        return f"{base[:-2]}ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")) and base != "be":
        return f"{base[:-1]}ing"
    return f"{base}{base[-1] if base in _DOUBLING else ''}ing"


def _ed(base: str) -> str:
    if base.endswith("e"):
        return f"{base}d"
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ied"
    return f"{base}{base[-1] if base in _DOUBLING else ''}ed"


def _third(base: str) -> str:
    if base in {"have", "do", "go"}:
        return {"have": "has", "do": "does", "go": "goes"}[base]
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(("s", "sh", "ch", "x", "z")) else f"{base}s"


# Loud marks and empty words ------------------------------------------------------------------------------------

_CAPITALS = re.compile(r"(?<![\w-])[A-Z][A-Z'’]*[A-Z](?![\w-])")
_WORD = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z'’]+(?![\w-])")


def _without_shouting(message: str) -> tuple[str, list[Change]]:
    """The message with its loud capitals as small letters, which keeps all places, and the changes that do so.

    A word of the list is loud alone; in a sentence of capitals every word is that is no likely acronym.
    """
    loud = _words().loud
    changes: list[Change] = []
    calm = message
    for sentence in _split(message):
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
            changes.append(Change(at, at + len(word), new))
            calm = calm[:at] + new + calm[at + len(word) :]
    return calm, changes


def _calm(draft: _Draft, sentence: Sentence) -> None:
    """Rows of marks become one mark."""
    text = draft.text(sentence)
    mark = draft.mark(sentence)
    if "!" in mark and mark.strip("\"')]") != "!" or "??" in mark:
        closing = mark[len(mark.rstrip("\"')]")) :]
        calm = "?" if "?" in mark else "."
        draft.add("marks", 1, Change(sentence.end, sentence.stop, calm + closing))
    elif mark == "!" and not _FRIENDLY.search(text):
        draft.add("marks", 1, Change(sentence.end, sentence.stop, "."))


_FRIENDLY = re.compile(
    r"\b(?:thank|thanks|thx|cheers|great|good|nice|welcome|congrat\w*|happy|hi|hello|hey|morning|all|awesome|love\w*|glad|enjoy|"
    r"please|well done|best|perfect|wonderful|excellent)\b",
    re.I,
)
_PRAISE = re.compile(r"(?:oh,? |just |well,? )?(?:great|wonderful|fantastic|brilliant|lovely|perfect|awesome|amazing|terrific)(?: stuff| timing)?", re.I)
_AGAIN = re.compile(r"again", re.I)


def _drop_sentence(draft: _Draft, index: int, sentence: Sentence) -> bool:
    """A sentence without information is deleted; a lonely "Again." joins the sentence before it."""
    text = draft.text(sentence)
    previous = draft.sentences[index - 1] if index else None
    if previous and _AGAIN.fullmatch(text):
        if draft.mark(previous) in {".", "!"} and draft.message[previous.stop : sentence.start].strip(" ") == "":
            if not re.search(r"\bagain\b", draft.text(previous), re.I):
                draft.add("join_again", 1, Change(previous.end, sentence.end, ", again"))
        return True
    if previous and len(text.split()) <= 3 and draft.mark(previous) != "?" and draft.mark(sentence) in {".", "!"}:
        said = draft.text(previous).lower()
        if re.search(rf"\b{re.escape(text.lower())}\b", said) and len(said) > len(text) + 8:
            start = previous.stop
            if draft.message[start : sentence.start].strip(" ") == "" and draft.add("drop_repeated", 1, Change(start, sentence.stop, "")):
                draft.softened.add(index)
                return True
    for pattern, new in _words().sentences:
        if pattern.fullmatch(text) and draft.add("sentence", 1, Change(sentence.start, sentence.end, draft.cap(sentence.start, new))):
            if "!" in draft.mark(sentence):
                draft.add("marks", 1, Change(sentence.end, sentence.stop, "."))
            draft.softened.add(index)
            return True
    is_sarcasm = bool(previous) and not draft.is_friendly and bool(_PRAISE.fullmatch(text)) and bool(_CUES.search(draft.text(previous)))  # type: ignore[arg-type]
    if len(draft.sentences) < 2 or not is_sarcasm and not _words().empty_sentences.fullmatch(text.strip(" ,")):
        return False
    start, stop = sentence.start, sentence.stop
    if index and draft.message[previous.stop : start].isspace() and "\n" not in draft.message[previous.stop : start]:  # type: ignore[union-attr]
        start = previous.stop  # type: ignore[union-attr]
    else:
        while stop < len(draft.message) and draft.message[stop] == " ":
            stop += 1
    if draft.add("drop_sentence", 1, Change(start, stop, "")):
        draft.softened.add(index)
    return True


_PERSON = re.compile(r"\b(?:I|you|he|she|we|i)(?:'m|'re|'s| am| are| is| was| were)$", re.I)
_BE = re.compile(r"\b(?:is|are|was|were|be|been|looks|seems)\s+|(?<=[A-Za-z])(?:'s|'re|'m)\s+", re.I)
_ADVERBS = re.compile(r"(?:also|still|again|just|so|always|now|simply|really|already|honestly|frankly|currently) ", re.I)


def _milder_words(draft: _Draft, sentence: Sentence) -> None:
    """Harsh words inside a sentence become milder or go; its front and its end belong to other rules."""
    words = _words()
    text = draft.text(sentence)
    taken: list[tuple[int, int]] = []

    def replace(rule: str, start: int, end: int, new: str) -> None:
        if any(start < b and a < end for a, b in taken):
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
        if not words.any_predicate.match(text, at) or lower[at - 4 : at] == "not " or "either " in lower[max(0, at - 80) : at]:
            continue
        for pattern, new in words.predicates:
            match = pattern.match(text, at)
            if not match:
                continue
            is_person = bool(_PERSON.search(text[max(0, be.end() - 30) : be.end()].rstrip()))
            if is_person and not re.match(r"quite upset|not happy|not part|not something|something for", new):
                break
            replace("predicate", match.start(), match.end(), match.expand(new))
            break
    tail = words.empty_tails.search(text, max(0, len(text) - 70))
    if tail and tail.start() > 8:
        is_asked = "?" in draft.mark(sentence) and not re.match(r"(?:why|what|who|how|when|where|which|can|could|will|would|do|does|did|is|are|have|has|should)\b", text, re.I)
        if is_asked:
            draft.add("empty_tail", 1, Change(sentence.start + tail.start(), sentence.stop, "."))
        else:
            replace("empty_tail", tail.start(), tail.end(), "")
    for match in words.empty_words.finditer(text):
        if match.start() == 0:
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        after = text[match.end() : match.end() + 2]
        if re.search(r"\b(?:an?|is|are|was|were|be|so|too|not|very|that|and|or)\s*$", before, re.I) or not re.match(
            r" \w", after
        ):
            continue
        replace("empty_word", match.start(), match.end() + 1, "")


# Orders --------------------------------------------------------------------------------------------------------

_NAME_LEAD = re.compile(
    r"(?P<name>(?:(?:Mr|Mrs|Ms|Dr)\.? )?[A-Za-zÀ-ž][\w'’-]*(?: (?:and|&) [A-ZÀ-Ž][\w'’-]*)?)(?P<sep>,| -| –|:)\s+", re.I
)
_BARE_NAME = re.compile(r"([A-ZÀ-Ž][\w'’-]+) (?=(?:you|your|the|this|that|why|who|can|could|please|pls|don't|i|we|it|it's|what|where|how)\b)")
_NO_NAMES = frozenset(
    "today tomorrow unfortunately however first second then next finally no yes ok okay sorry listen look seriously honestly frankly "
    "also again please well right so and but now anyway still obviously clearly meanwhile otherwise instead therefore hence besides "
    "plus read actually basically sure fine sadly luckily morning afternoon evening hi hello hey thanks thx cheers guys quick "
    "quickly monday tuesday wednesday thursday friday saturday sunday fyi reminder note update question btw done here there".split()
)
_CONDITION = re.compile(
    r"(?:if|when|once|before|after|until|as soon as|whenever|unless)"
    r"[^,.;:!?\n]{0,90}?(?P<comma>, (?:then )?)",
    re.I,
)
_SHORT_LEADS = re.compile(r"(?:next time|from now on|in (?:the )?future|until then|after that|before that|in that case|for now|by (?:tomorrow|tonight)|for the last time|starting (?:today|now|tomorrow)),? |then ", re.I)
_FILLERS = re.compile(
    r"(?:(?:please|pls|plz|just|simply|finally|seriously|honestly|look|listen|frankly|come on|for god's sake|for once|"
    r"(?:do your job|wake up|grow up|get your act together|get a grip|stop (?:whining|complaining|moaning)) and|"
    r"okay|ok|now),? )+",
    re.I,
)
_JOINERS = re.compile(r"(?:and|so|but|then|also|first|now|instead|plus|therefore|meanwhile),? ", re.I)


class _Order(NamedTuple):
    """An order in a sentence: its fillers and verb at [start, verb_end), and the words that ask for it politely."""

    start: int
    verb_end: int
    kind: str
    phrase: str
    adverb: str


_NEGATIVE = re.compile(r"(?:do not|don't|dont|don’t|never)(?: (?:ever|even think of))? ([a-z][a-z-]*)\b", re.I)
_STOP = re.compile(r"stop (?:(?P<not>not) )?([a-z-]+ing)\b", re.I)
_DUTY = re.compile(
    r"you(?: guys| all)?(?: really| just| still| also| now)?(?:(?:'ll|’ll| will)? (?:need to|have to|must|gotta)|(?:'ve|’ve| have) got to| should| better|'d better| had better)"
    r"(?: really| just| also| finally)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_WANT_YOU = re.compile(
    r"i(?: really| just| also| still|'d| would)? (?:need|want|expect|like) (?:all of )?you(?: guys| all)? to(?: finally| just| please)? (?P<not>not )?([a-z][a-z-]*)\b",
    re.I,
)
_FIRST_PERSON = frozenset("you know have want need like mind see understand care even really think remember believe feel recall yet".split())
_EITHER_YOU = re.compile(r"either you (?:(?:will|can) )?(?P<not>not )?([a-z][a-z-]*)\b(?=[^.!?]* or (?:i|we|you|it)\b)", re.I)
_NO_ORDER = frozenset("let have be see come get go do think understand know".split())


def _find_order(draft: _Draft, sentence: Sentence, start: int) -> _Order | None:
    """The order that begins at `start` in the message, fillers included."""
    text = draft.message[: sentence.end]
    filler = _FILLERS.match(text, start)
    at = filler.end() if filler else start
    adverb = ""
    joiner = re.compile(r"(?:also|first|then|now|instead) (?=[a-z])", re.I).match(text, at) if at == start else None
    if joiner:
        adverb, at = joiner.group().lower(), joiner.end()
        filler = _FILLERS.match(text, at)
        at = filler.end() if filler else at
    match = _NEGATIVE.match(text, at)
    if match:
        verb = match.group(1).lower()
        # Almost any word may follow "don't", but "Don't know yet" has lost its "I".
        if verb in _FIRST_PERSON or verb.endswith(("ing", "ly")):
            return None
        if verb == "ask" and not text[match.end() :].strip():
            return None
        if verb in {"worry", "hesitate"} or verb == "get" and "wrong" in text[match.end() : match.end() + 12]:
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
    r" #?[\w.-]{0,20}\d:|(?! (?:the|a|an|this|that|these|those|it|them|him|her|me|us|my|your|our|his|their|what|whatever|who|how|all|everything|whether|why|where|when|if|sure)\b)"
    r"(?: (?!(?:that|which|who|if|when|before|until|because|and|what|how|why|where|whether|so|or|but|as|after|since|the|a|an|your|my|our|it|they|we|you|i|he|she|this|there)\b)[\w'’#/.-]{1,30}){1,5}"
    r" (?:is|are|was|were|has|had|will|isn't|aren't|wasn't|doesn't|don't|didn't|fails|failed|won't|hasn't|can't|looks|works|needs)\b",
    re.I,
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
        if re.search(r"\b(?:please|pls|plz)\b", text[max(0, end - 20) :], re.I) and word in {"in", "on", "to", "with", "by", "for"}:
            return True
        if verb in {"have", "face", "hold", "lead", "process", "sound", "own", "stand", "heat", "dry"} and word not in words.objects:
            return False
        if verb == "call" and word == "in":
            return True
        if verb == "look" and word in {"at", "into", "up", "after", "through", "for"}:
            return True
        if verb in {"work", "focus", "comment", "act", "report"} and word in {"on", "to", "with"} and second not in {"is", "was"}:
            return second in words.objects or verb == "focus"
        if word in {"or", "and"}:
            return not is_first
        if verb == "have" and (second in {"nice", "good", "great", "lovely", "wonderful", "fun", "pleasant", "safe"} or word in {"fun", "no", "you"}):
            return False
        if verb in {"stop", "wait"} and not word:
            return True
        is_object = word in words.objects or bool(following and (following.group(1)[0].isupper() or word[0].isdigit()) and verb in _CALLS and word not in {"i", "we"})
        return is_object and second not in {"is", "was", "are", "were", "isn't", "has"}
    if verb not in words.verbs and not (verb.startswith(("re", "un")) and verb[2:].lstrip("-") in words.verbs | words.ambiguous and len(verb) > 5) or word in {"or", "and"} and not second:
        return False
    if verb == "do" and word in {"you", "we", "they", "i", "he", "she", "not", "any", "either"} or verb == "use" and word in {"case", "cases"}:
        return False
    if verb in {"give", "take"} and word == "or" or "not" in {word, second} or word == "only" and not is_first:
        return False
    if word in words.no_objects or not word and verb not in {"explain", "apologise", "apologize", "hurry", "stop", "wait", "proofread", "start", "reply", "respond", "listen", "retry", "redo", "revert", "rewrite"}:
        return False
    if verb == "let":
        if word in {"me", "us"}:
            return second in {"know", "have", "see"}
        return word in {"him", "her", "them", "others", "people", "the", "your", "everyone", "everybody"}
    if verb == "come" and word in {"on", "to"}:
        return word == "to"
    if verb in {"give", "take", "make", "get", "keep", "go", "do", "put", "start", "come"} and word in {"care", "well", "soon"}:
        return False
    if verb in {"take", "get"} and (second in {"time"} or word == "well"):
        return False
    if verb in {"clean", "clear", "complete", "correct", "open", "empty", "separate", "lower", "close", "direct", "own"}:
        return word in words.objects or bool(following and following.group(1)[0].isupper()) or verb in {"clean", "open"} and word in {"up", "with"}
    if verb in {"speak", "say", "learn", "treat", "remember", "understand", "wait", "start", "finish", "stick", "stay"} and word in {"and"}:
        return False
    is_clause = word in {"what", "whatever", "whoever", "everything", "all", "that"}
    return not (second in {"is", "are", "was", "were", "has", "will"} and not is_clause)


_CALLS = frozenset("call contact phone answer invoice chase meet show help ship label cut copy report check review book bill lock ask charge "
    "order post mail email share refund repair reset review scan schedule update upgrade upload export import download merge pull push split switch".split()
)

# Where the order ends and a statement begins that must not become part of the question.
_SUBJECT = (
    r"(?:I|i|we|you|it|they|he|she|this|that|there|nobody|no one|everyone|everybody|somebody|someone|otherwise|else|I'm|I've|I'll|I'd|i'm|i've|i'll|"
    r"it's|that's|there's|we're|we've|we'll|you're|you've|you'll|they're|they've|they'll|he's|she's|don't|do not|never|not because|thanks|thank you|thx|cheers|stop|anything|half)"
)
_BREAK = re.compile(
    rf"(?P<sep>,? (?:or else|or|otherwise|else) (?=(?!else){_SUBJECT}\b|my |our |your |(?:[\w'-]+ ){{1,4}}?(?:will|won't|can't|gets|goes|gets)\b)"
    rf"|(?:,| -+| –| —|;) (?:and |but )?(?!this time|that way)(?=(?:(?:from now on|next time|last time|then|right now|otherwise) )?{_SUBJECT}\b)"
    rf"|,? and (?=(?:please|pls) )|,? or (?=(?:lose|risk|face|forget|get off|stop|don't|do not) )|, (?=(?:just|simply) [a-z]+ )"
    rf"|(?: -+| –| —|;) (?=\w)"
    rf"|,? and (?=(?:I|i|we)(?:'ll|’ll| will| can| am|'m)\b)"
    rf"|, (?=(?:(?!(?:which|who|that|if|when|where|what|how|why|whether|and|or|but|because|so|as|since|unless|until|before|after|not|then|than|to)\b)[\w'’-]+ ){{1,3}}"
    rf"(?:is|are|was|were|has|have|will|doesn't|don't|isn't|aren't|can't|cannot|can|won't|need|needs)\b)"
    rf"|, (?=(?:the|my|our|your|his|her|their|these|those|half|nothing|all|every) (?:[\w'-]+ ){{1,3}}?(?:is|are|was|were|has|have|will|needs|need|can't|can|won't|isn't|doesn't|don't|starts|start|ends|leaves|closes|goes|expires|wants|comes)\b))"
)
_OPEN_CONDITION = re.compile(r"\b(?:if|when|once|because|since|unless)\b[^,]{0,60}$", re.I)


def _break_of(text: str, start: int) -> re.Match[str] | None:
    """The place after `start` where a statement of its own begins."""
    for match in islice(_BREAK.finditer(text, start), 8):
        sep = match.group("sep")
        if sep.strip() in {",", ", so", ", and", ", as"} and _OPEN_CONDITION.search(text[max(start, match.start() - 80) : match.start()]):
            # "Tell me if A, I ..." is a statement after a condition; "If A, I ..." is its main clause.
            if re.match(r"(?:if|when|once)\b", text[start:], re.I):
                continue
        return match
    return None


def _changes_for_break(draft: _Draft, match: re.Match[str] | None, sentence: Sentence, level: int, is_question: bool) -> list[Change]:
    """The changes that end a question before a statement, or at the end of the sentence."""
    mark = draft.mark(sentence)
    if match is None:
        closing = mark[len(mark.rstrip("\"')]")) :]
        if not is_question:
            return [Change(sentence.end, sentence.stop, "." + closing)] if "!" in mark else []
        return [Change(sentence.end, sentence.stop, "?" + closing)]
    sep = match.group("sep")
    words = sep.strip(" ,;-–—").lower()
    at = match.end()
    first = draft.message[at]
    following = draft.message[at : at + 12].lower()
    stop = "? " if is_question else ". "
    if words == "or" and re.match(r"(?:lose|risk|face|forget|get off|stop|don't|do not) ", following):
        return [Change(match.start(), at, stop + draft.cap(at, "otherwise you will " if following[:2] in {"lo", "ri", "fa"} else "otherwise please "))]
    if re.match(r"(?:just|simply) ", following):
        word = re.match(r"(?:just|simply) ", following)
        if _is_verb(re.split(r"\W", draft.message[at + word.end() : at + word.end() + 20])[0]):  # type: ignore[union-attr]
            return [Change(match.start(), at + word.end(), stop + draft.cap(at, "please "))]  # type: ignore[union-attr]
    if words in {"or", "or else", "otherwise", "else"}:
        new = stop + draft.cap(at, "otherwise ")
        if level == 3 and re.match(r"(?:I|we|it|they|my|our|the|you)\b", draft.message[at : at + 5], re.I):
            new += "I'm afraid " if not draft.is_lower else "i'm afraid "
        end = at
        if re.match(r"otherwise |else ", following):
            end = at + len(re.match(r"otherwise |else ", following).group())  # type: ignore[union-attr]
        return [Change(match.start(), end, new)]
    if re.match(r"otherwise\b", following):
        return [Change(match.start(), at + 9, stop + draft.cap(at, "otherwise"))]
    if re.match(r"else\b", following):
        return [Change(match.start(), at + 4, stop + draft.cap(at, "otherwise"))]
    if re.match(r"(?:don't|do not|never|stop) ", following):
        lead = draft.cap(at, "please ")
        return [Change(match.start(), at + 1, stop + lead + first.lower())]
    if words == "and" and re.match(r"(?:please|pls) ", following):
        return [Change(match.start(), at, stop + draft.cap(at, "and "))]
    afraid = "i'm afraid " if draft.is_lower else "I'm afraid "
    if level == 3 and not words and re.match(r"(?:i'm not|i won't|we won't|we're not|i can't|we can't|i will not|i cannot)\b", following):
        return [Change(match.start(), at, stop + afraid)]
    if words == "and" and re.match(r"(?:i|we)(?:'ll|’ll| will| can)\b", following):
        return [Change(match.start(), at, stop + draft.cap(at, "then "))]
    if words == "but":
        return [Change(match.start(), at, stop + draft.cap(at, "but "))]
    word = re.compile(r"[a-z-]+(?= )").match(draft.message, at)
    if word and not words and _begins_order(draft, draft.message[: sentence.end], word.group(), word.end(), False):
        return [Change(match.start(), at, stop + draft.cap(at, "please "))]
    return [Change(match.start(), at + 1, stop + draft.cap(at, first))]


_HELLO = re.compile(
    r"(?:hi|hello|hey|dear|good morning|good afternoon|morning)(?: [\w.’'-]{1,40}){0,3}[,!:]? +(?<=[,!:] )", re.I
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
    elif name and name.group("name").lower() not in _NO_NAMES and not _is_verb(name.group("name").lower()):
        at = name.end()
    elif bare and bare.group(1).lower() not in _NO_NAMES and names.find(bare.group(1)):
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
    had_please = bool(re.search(r"\b(?:please|pls|plz)\b", text[at:sentence.end], re.I))
    trailing = re.search(r",? (?:please|pls|plz)$", rest, re.I)
    lead_please = bool(re.search(r"\b(?:please|pls|plz) ", text[at:verb], re.I))
    inner_please = had_please and not lead_please and not trailing
    match = _break_of(text, verb + 1)
    if order.kind in {"not", "never"}:
        match = _next_order(draft, text, verb, match)
    tail = _words().empty_tails.search(draft.text(sentence), max(0, len(draft.text(sentence)) - 70))
    if match and tail and sentence.start + tail.start() <= match.start():
        match = None
    is_list = len(rest) > 170 or ":" in re.sub(r"\d:\d", "", rest) or "\n" in rest or text.endswith(":")
    rank = draft.requests
    draft.requests += 1
    verb_words = order.phrase
    name = {"do": "order", "not": "prohibition", "never": "prohibition", "stop": "stop"}[order.kind]
    plain = {"do": "", "not": "don't ", "never": "never ", "stop": "stop "}[order.kind]
    asked = {"do": "", "not": "not ", "never": "never ", "stop": "stop "}[order.kind]
    please = "" if trailing or inner_please else "please "
    if not had_please:
        ending = [] if draft.mark(sentence) != "!" else [Change(sentence.end, sentence.stop, ".")]
        draft.add(f"{name}_please", 1, front(f"please {adverb}{plain}"), *ending)
    if order.kind == "not" and rest.startswith("forget"):
        end = _changes_for_break(draft, match, sentence, 2, True)
        start_of = Change(at, verb_stop, "Could you please remember" if is_upper else "could you please remember")
        draft.add("forget_remember", 2, start_of, *end)
        return True
    if is_list or match is None and re.search(r", (?:the|my|our|your|his|her|their|this|these|those|[A-Z][a-z]+ (?:is|has|was|will)) ", rest):
        return True  # A statement or a list may follow, which must not become part of a question.
    if not re.search(r"[?]", text[verb:]):
        ends = [_changes_for_break(draft, match, sentence, level, True) for level in (2, 3)]
        thanks = [
            Change(c.start, c.end, c.text + _thanks(draft)) if c.start >= sentence.end and _may_thank(draft, sentence) else c
            for c in ends[1]
        ]
        if trailing and match is None:
            closing = draft.mark(sentence)[len(draft.mark(sentence).rstrip("\"')]")) :]
            cut = Change(verb + trailing.start(), sentence.stop, "?" + closing)
            thanked = cut._replace(text=cut.text + _thanks(draft)) if _may_thank(draft, sentence) else cut
            draft.add(f"{name}_question", 1, front(f"could you {adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 2, front(f"could you please {adverb}{asked}"), cut)
            draft.add(f"{name}_question_please", 3, front(f"could you please {adverb}{asked}"), thanked)
        elif had_please:
            draft.add(f"{name}_question", 1, front(f"could you {adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 2, front(f"could you {please}{adverb}{asked}"), *ends[0])
            draft.add(f"{name}_question_please", 3, front(f"could you {please}{adverb}{asked}"), *thanks)
        elif rank % 2 == 0 or order.kind != "do":
            draft.add(f"{name}_question", 2, front(f"could you {please}{adverb}{asked}" if order.kind in {"not", "never"} else f"could you {adverb}{asked}"), *ends[0])
            if order.kind in {"not", "never"}:
                wish = f"may I ask you {adverb}{asked}to " if not draft.is_lower else f"may i ask you {adverb}{asked}to "
                draft.add(f"{name}_ask", 3, front(wish), *thanks)
            else:
                draft.add(f"{name}_question_please", 3, front(f"could you {please}{adverb}{asked}"), *thanks)
        else:
            draft.add(f"{name}_would", 3, front(f"would you {please}{adverb}{asked}"), *thanks)
    return True


_COMMA_ORDER = re.compile(r"(?P<sep>, |; )(?=(?P<verb>[a-z-]+) )")


def _next_order(draft: _Draft, text: str, start: int, until: re.Match[str] | None) -> re.Match[str] | None:
    """Where after a prohibition an order begins, which must not be read as prohibited too."""
    for match in _COMMA_ORDER.finditer(text, start, until.start() if until else len(text)):
        if _begins_order(draft, text, match.group("verb"), match.end("verb"), False):
            return match
    return until


def _may_thank(draft: _Draft, sentence: Sentence) -> bool:
    """Whether thanks may follow this sentence: it is the last one and has no mark, so no closer can stand apart."""
    return sentence is draft.sentences[-1] and sentence.stop == sentence.end and not _THANKS.search(draft.message)


_THANKS = re.compile(r"\b(?:thanks?|thx|cheers|grateful|appreciate[ds]?|regards|ty)\b", re.I)


def _thanks(draft: _Draft) -> str:
    return " thank you!" if draft.is_lower else " Thank you!"


def _duty(draft: _Draft, sentence: Sentence, at: int, match: re.Match[str]) -> bool:
    """A duty such as "you need to fix it" is asked for as "could you fix it?"."""
    verb = match.group(2).lower()
    if not _is_verb(verb) or verb in _NO_ORDER and verb not in {"get", "go", "do", "come"}:
        return False
    text = draft.message[: sentence.end]
    is_upper = text[at].isupper() and at == sentence.start
    negation = "not " if match.group("not") else ""
    start = match.start(2)
    end = _break_of(text, start)

    def front(words: str) -> Change:
        return Change(at, start, words[:1].upper() + words[1:] if is_upper else words)

    draft.requests += 1
    closing = _changes_for_break(draft, end, sentence, 2, True)
    last = _changes_for_break(draft, end, sentence, 3, True)
    draft.add("duty_please", 1, front(f"please {'do not ' if negation else ''}"))
    draft.add("duty_question", 2, front(f"could you {negation}"), *closing)
    draft.add("duty_question_please", 3, front(f"could you please {negation}"), *last)
    return True


_ASK = re.compile(r"(?P<modal>can|will|would|could) (?P<who>you|someone|somebody|anyone|anybody|we|i|you guys)(?: please| pls)? (?P<verb>[a-z][a-z-]*)\b", re.I)


def _ask_directly(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """A question such as "Can you send it?" gets a softer modal, a "please" and thanks."""
    text = draft.message[: sentence.end]
    match = _ASK.match(text, at)
    if not match and "?" in draft.mark(sentence):
        plain = re.compile(r"can (?=(?:the |your |my |our |this |that |it |these )?[a-z]+ )", re.I).match(text, at)
        if plain:
            draft.add("modal", 1, Change(at, plain.end(), "Could " if text[at].isupper() else "could "))
            draft.requests += 1
            return True
    if not match or not _is_verb(match.group("verb").lower()) or match.group("verb").lower() in {"mind", "be"}:
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
        draft.add("modal_please", 2, Change(at, match.end("who"), f"{modal} {who} please" if who.lower() != "i" else f"{modal} I please"))
    return True


_ASK_INSIDE = re.compile(
    r"(?:(?<=[,;:–—-]) (?:(?:so|but|and|then) )?|(?<= )(?:so|but|and) )(?=(?:can|will) (?:you|someone|somebody|anyone|anybody|we)\b)", re.I
)


def _ask_inside(draft: _Draft, sentence: Sentence) -> bool:
    """A question such as "can someone check?" at the end of a longer sentence."""
    text = draft.message[: sentence.end]
    if text.endswith("or not"):
        return False
    return any(_ask_directly(draft, sentence, match.end()) for match in islice(_ASK_INSIDE.finditer(text, sentence.start), 6))


_ANYONE = re.compile(r"(?P<who>somebody|someone|everyone|everybody) (?:(?P<modal>needs to|has to|should|must|should probably) )?(?P<verb>[a-z-]+)\b", re.I)


def _third_person(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """An order to someone: "Someone needs to fix it" is asked for as "Could someone fix it?"."""
    text = draft.message[: sentence.end]
    match = _ANYONE.match(text, at)
    if not match or not (match.group("verb").lower() in _words().verbs or match.group("verb").lower() in _words().ambiguous):
        return False
    verb = match.group("verb").lower()
    if verb in _NO_ORDER and verb not in {"get", "go", "do"} or not match.group("modal") and verb in _words().pasts:
        return False
    who = match.group("who").lower()
    closing = _changes_for_break(draft, _break_of(text, match.start("verb")), sentence, 2, True)
    if match.group("modal"):
        draft.add("someone_should", 1, Change(match.end("who"), match.start("verb"), " should "))
    draft.add("someone_question", 2, Change(at, match.start("verb"), draft.cap_first(sentence, at, f"could {who} ")), *closing)
    draft.add("someone_question_please", 3, Change(at, match.start("verb"), draft.cap_first(sentence, at, f"could {who} please ")), *closing)
    draft.requests += 1
    return True


_NOBODY = re.compile(
    r"(?P<who>nobody|no one) (?P<verb>[a-z]+)\b(?=[^.!?]*\b(?:before|without|unless|until|except|again|anymore|from now on|but)\b)", re.I
)


def _nobody(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """A ban such as "Nobody enters without a badge" becomes "Please make sure that nobody enters without a badge"."""
    text = draft.message[: sentence.end]
    match = _NOBODY.match(text, at)
    if not match or match.group("verb").lower() not in _words().thirds or match.group("verb").lower() in _OBSERVED:
        return False
    who = match.group("who").lower()
    closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2, True)
    draft.requests += 1
    end = match.end("who")
    draft.add("nobody_please", 1, Change(at, end, draft.cap_first(sentence, at, f"please make sure that {who}")))
    draft.add("nobody_question", 2, Change(at, end, draft.cap_first(sentence, at, f"could you make sure that {who}")), *closing)
    draft.add("nobody_question_please", 3, Change(at, end, draft.cap_first(sentence, at, f"could you please make sure that {who}")), *closing)
    return True


_PASSIVE = re.compile(
    r"(?P<what>(?:the|this|that|these|those|it|they|my|our|your|all|both|everything)(?: (?!(?:is|are|was|were|has|have|that|which|who|must|need|needs|will|and)\b)[\w'/-]+){0,5}?)"
    r" (?:must|has to|have to|needs to|need to|should|better)(?: really| just| finally| still| now)? be (?P<pp>[a-z]+)\b",
    re.I,
)


def _passive(draft: _Draft, sentence: Sentence, at: int) -> bool:
    """An obligation in the passive: "This must be fixed today" is asked for as "Could this be fixed today?"."""
    text = draft.message[: sentence.end]
    match = _PASSIVE.match(text, at)
    if not match:
        return False
    participle = match.group("pp").lower()
    if not (participle in _words().participles):
        return False
    what = match.group("what")
    what = what[0].lower() + what[1:]
    closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2, True)
    draft.requests += 1
    draft.add("passive_question", 2, Change(at, match.start("pp"), draft.cap_first(sentence, at, f"could {what} be ")), *closing)
    draft.add("passive_question_please", 3, Change(at, match.start("pp"), draft.cap_first(sentence, at, f"could {what} please be ")), *closing)
    return True


_INSIDE = re.compile(r"(?:,|;| -| –| —|:) (?P<joiner>(?:and |so |then |but |now )*)(?=[a-z])|(?<=[a-z]) (?P<so>so) (?=[a-z])")
_STATES = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|wasn't|has|had|can't|cannot|doesn't|didn't|hasn't|haven't|won't|needs|weren't|look|looks|seems|don't|need|\w+ed|owe|owes|broke|forgot|sent|went|came|gave|lost)\b"
    r"|\w'(?:s|re|ve|m) "
)


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
        if re.search(r"\b(?:to|will|'ll|can|could|would|should|must|may|might|let's|did|do|does|than|please [a-z]+)\b(?! not)", head) and not re.search(
            r"can't|cannot", head
        ):
            continue
        if not _STATES.search(head):
            continue
        order = _find_order(draft, sentence, match.end())
        if not order:
            continue
        return _soften_order(draft, sentence, order, match.end())
    return False


# Questions -----------------------------------------------------------------------------------------------------

_PRONOUN = r"(?:i|you|we|they|he|she|it|this|that|there|nobody|no one|somebody|someone|everybody|everyone|nothing|everything|anyone|anybody)"
_WHY = re.compile(
    r"(?P<wh>why|how come|when|where|how)(?: the (?:hell|fuck|heck)| on earth| exactly| in the world)? "
    r"(?P<aux>is|are|was|were|do|does|did|has|have|can|can't|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|will|won't|should|must|am|would)\b ?",
    re.I,
)
_WHAT = re.compile(
    r"(?P<wh>what|which)(?: the (?:hell|fuck|heck)| on earth| exactly)? (?P<aux>is|are|was|were|did|does|do|has|have|'s) ", re.I
)
_WHO = re.compile(r"who(?P<where> (?:on|in|at|from|of) your \w+| of you| (?:over )?here| (?:over )?there)?(?: the (?:hell|fuck)| on earth)?(?: even| actually)? (?P<verb>[a-z']+)\b", re.I)
_DID = re.compile(
    r"(?P<aux>did|have|has|do|does|are|is)(?P<who> you(?: guys)?| any(?:one|body)(?: technical| (?:over )?here| (?:over )?there| on your (?:side|team|end)| in your team)?| some(?:one|body)| your team| they| he| she| nobody)(?P<even>(?: even| actually| ever| really| at least| seriously| technically)+)? (?P<verb>[a-z-]+)",
    re.I,
)
_CHANCE = frozenset(
    "read check test run look see review try open finish send update fill ask answer reply verify validate measure compare proofread "
    "fix sign submit upload look write call contact start do".split()
)
_HOW_OFTEN = re.compile(r"how (?:many times|often) (?:do|must|should|did) (?:i|we) (?:have to |need to )?(?:tell|ask|remind) you (?=(?:not )?to [a-z])", re.I)
_WHAT_IS_THE = re.compile(
    r"what(?:'s|’s| is)(?: exactly)? the (?=(?:\w+ )?(?:status|state|deadline|date|name|reason|cause|progress|price|cost|budget|version|schedule|timeline|eta|address|number|password|room|time|"
    r"scope|order|owner|amount|total|size|limit|latest)\b)",
    re.I,
)
_SPLITTERS = frozenset(
    "still not so always again already even never only being supposed meant broken down red empty missing late blank gone open closed there here in on "
    "long slow green high low big small short full active live visible public necessary due overdue unavailable offline online incomplete "
    "at off out taking behind back without available ready done finished fixed different wrong sitting stuck blocked".split()
)


def _question(draft: _Draft, sentence: Sentence) -> bool:
    """Questions with blame in them become questions for information."""
    text = draft.message[: sentence.end]
    mark = draft.mark(sentence)
    at = _lead_end(draft, sentence)
    filler = _FILLERS.match(text, at)
    begin = filler.end() if filler else at
    is_question = "?" in mark or (mark == "" and draft.is_lower) or mark in {".", "!", "!!"} and bool(re.match(r"(?:why|who) ", text[begin:], re.I))
    if not is_question:
        return False
    end = Change(sentence.end, sentence.stop, "?" + mark[len(mark.rstrip("\"')]")) :]) if "?" not in mark or len(mark) > 1 else None
    ends = [end] if end else []
    is_upper = text[at].isupper() and at == sentence.start

    def front(words: str) -> str:
        return words[:1].upper() + words[1:] if is_upper else words

    times = _HOW_OFTEN.match(text, begin)
    if times and "?" in mark:
        draft.add("how_often", 1, Change(at, times.end(), front("I have asked you before ")), Change(sentence.end, sentence.stop, "."))
        return True
    hard = re.compile(r"how (?:hard|difficult) (?:can|could|is) it (?:be )?to (?=[a-z])", re.I).match(text, begin)
    if hard and "?" in mark:
        draft.add("how_hard", 1, Change(at, hard.end(), front("it should be possible to ")), Change(sentence.end, sentence.stop, "."))
        return True
    did = _DID.match(text, begin)
    if did and "?" in mark:
        return _did(draft, sentence, at, did, front)
    who = _WHO.match(text, begin)
    if who:
        verb = who.group("verb").lower()
        words = _words()
        finite = verb in words.pasts or verb.endswith("ed") or verb in {"is", "was", "has", "are", "were", "had", "owns", "can", "will", "left", "keeps"} or verb in words.thirds
        if not finite or re.match(r"who (?:is|was|are|were) (?:this|that|it|they|he|she|you|the|your|our|my)\b", text[begin:], re.I):
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
        draft.add("what_is_the", 3, Change(at, status.end(), front("could you please let me know the ")), *ends)
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
    draft.add("why", 1, Change(at, resume, front(f"do you know {wh} {new}" if not new.startswith("you ") else f"can you tell me {wh} {new}")), *ends)
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
    plain = {"isn't": "is", "aren't": "are", "wasn't": "was", "weren't": "were", "don't": "do", "doesn't": "does", "didn't": "did",
             "hasn't": "has", "haven't": "have"}.get(aux, aux)
    subject = re.match(rf"({_PRONOUN})\b", rest, re.I)
    if subject and plain not in {"do", "does", "did"} and re.match(r"(?:this|that|these|those) (?!(?:still|not|so|always|even|done|in|on|broken|taking|happen|again|taken|only|a|an|the|my|your|our|work|here|there)\b)", rest, re.I):
        subject = None
    if subject:
        what, size = subject.group(1), subject.end()
    else:
        tokens = list(re.compile(r"[\w'’./#-]+").finditer(rest))[:9]
        if not tokens:
            return None
        is_det = tokens[0].group().lower() in {"the", "my", "your", "our", "this", "that", "these", "those", "his", "her", "their", "a", "all"}
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
            if plain in {"do", "does", "did"} or plain in {"will", "can", "can't", "won't", "should", "must", "would"}:
                is_start = word in words.past or word in {"be", "have"}
            elif plain in {"has", "have"}:
                is_start = word in words.participles or word in {"not", "still", "already", "been", "never"}
            else:
                is_start = word in _SPLITTERS or word.isdigit() or word.endswith(("ing", "ed")) and position >= 1 or word in words.participles
            if is_start and word not in {"be", "have"} and plain not in {"is", "are", "was", "were", "am", "has", "have"} and tokens[position + 1 : position + 2]:
                # "the signup form log": the last of two such words is the verb.
                is_start = tokens[position + 1].group() not in words.past
            if is_start:
                size = token.start() - 1
                break
        if not size:
            # "Where are the receipts": nothing follows the subject.
            if why.group("wh").lower() in {"where", "what", "when"} and plain in {"is", "are", "was", "were"} and limit == len(rest) and len(
                tokens
            ) <= (7 if why.group("wh").lower() == "where" else 4) and not re.search(r"\b(?:with|about|so|up|that|this|the point|the plan|on|supposed)\b", rest, re.I):
                return f"{rest} {plain}", start + len(rest)
            return None
        what = rest[:size]
    what = what if what[:1] != "I" or len(what) > 1 else "I"
    resume = start + size
    following = text[resume:]
    if plain in {"do", "does", "did"} and not negation:
        verb = re.match(r"(?: (?P<adv>even|actually|always|still|never|just|keep|really|also))? (?P<verb>[a-z-]+)\b", following)
        if not verb:
            return None
        base = verb.group("verb")
        adverb = f" {verb.group('adv')}" if verb.group("adv") and verb.group("adv") not in {"even", "actually"} else ""
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
    if why.group("wh").lower() == "what" and subject and plain in {"is", "are", "was", "were"} and what.lower() in {"this", "that", "it"} and following.strip(" ") not in {"", "about", "for"}:
        return None
    return f"{what} {plain}{negation}" if plain not in {"do", "does", "did"} else f"{what} {plain} not", resume


def _did(draft: _Draft, sentence: Sentence, at: int, match: re.Match[str], front: Callable[[str], str]) -> bool:
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
    if aux == "did" and verb in _CHANCE:
        draft.add("did_you", 1, Change(at, start, front(f"did{who} get to ")), *ends)
        draft.add("did_you", 2, Change(at, start, front(f"did{who} have a chance to ")), *ends)
        draft.add("did_you", 3, Change(at, start, front(f"may I ask if{who} had a chance to ")), *ends)
        return True
    if aux in {"have", "has"} and verb in words.participles and verb != "been":
        base = next((b for b, p in words.past.items() if p == verb), None) or verb
        if base in _CHANCE:
            draft.add("did_you", 2, Change(at, match.end("verb"), front(f"{aux}{who} had a chance to {base}")), *ends)
            draft.add("did_you", 3, Change(at, match.end("verb"), front(f"may I ask if{who} {aux} had a chance to {base}")), *ends)
            return True
    if match.group("even"):
        draft.add("even", 1, Change(match.end("who"), start, " "), *ends)
        return True
    return False


# Wishes and refusals -------------------------------------------------------------------------------------------

_WISH = re.compile(
    r"(?:i|we)(?: really| just| still| also)? (?P<verb>need|want|expect|require)(?: to have| to see| to get)? (?P<what>(?:the|a|an|it|them|this|that|these|those|my|your|our|all|both|one|two|three|\d+|new|another|more|some|any|(?!you|to|in|out|no|nothing|people|everyone|someone|somebody|nobody|everything|help|time|less|and|or)[a-z]+)\b)",
    re.I,
)
_WISH_KNOW = re.compile(r"(?:i|we)(?: really| just| still| also)? (?:need|want|would like|have) to know (?=who|what|why|when|how|where|which|if|whether|by)", re.I)
_DEADLINE = re.compile(
    r"\b(?:by|before|until|today|tomorrow|tonight|now|asap|immediately|this (?:week|morning|afternoon)|(?:mon|tues|wednes|thurs|fri|satur|sun)day|or|urgently)\b|\b(?:at|on) \d", re.I
)
_NO_MORE = re.compile(r"no more (?!than\b)[^,;:.!?]{3,80}$", re.I)
_WISH_TO = re.compile(r"(?:i|we) want to (?=[a-z])", re.I)


def _wish(draft: _Draft, sentence: Sentence) -> bool:
    """"I want X by Friday" becomes "I'd like X" and "Could I have X by Friday?"."""
    text = draft.message[: sentence.end]
    if "?" in draft.mark(sentence):
        return False
    at = _lead_end(draft, sentence)
    is_upper = text[at].isupper() and at == sentence.start
    who = "we" if text[at : at + 2].lower() == "we" else "I" if not draft.is_lower else "i"

    def front(words: str) -> str:
        return words[:1].upper() + words[1:] if is_upper else words

    if sentence is draft.sentences[0] and at == sentence.start and _NO_MORE.match(draft.text(sentence)) and not _FINITE.search(draft.text(sentence)):
        end = [Change(sentence.end, sentence.stop, "?")]
        draft.requests += 1
        draft.add("no_more_please", 1, Change(at, at + 7, front(f"please, no more")))
        draft.add("no_more_question", 2, Change(at, at + 7, front(f"could we please have no more")), *end)
        return True
    match = _WISH_KNOW.match(text, at)
    if match:
        us = "us" if who == "we" else "me"
        closing = _changes_for_break(draft, _break_of(text, match.end()), sentence, 2, True)
        draft.requests += 1
        draft.add("wish_know", 1, Change(at, match.end(), front(f"{who} would like to know ")))
        draft.add("wish_know", 2, Change(at, match.end(), front(f"could you tell {us} ")), *closing)
        draft.add("wish_know", 3, Change(at, match.end(), front(f"could you please let {us} know ")), *closing)
        return True
    match = _WISH.match(text, at)
    if match:
        start = match.start("what")
        rest = text[start:]
        if re.match(r"(?:[\w'-]+ ){1,5}to (?:be |have |stop|know|talk|work|go)", rest) or re.match(r"(?:it|them|this|that) to ", rest):
            return False
        if re.match(r"that (?!\w+ (?:by|on|before|today|now))", rest) and not re.match(r"that (?:by|on|before|today|now|file|list|report)\b|that$", rest):
            return False
        if match.group("what").lower().endswith(("ing", "ly")):
            return False
        closing = _changes_for_break(draft, _break_of(text, start), sentence, 2, True)
        last = _changes_for_break(draft, _break_of(text, start), sentence, 3, True)
        if match.group("verb").lower() not in {"want", "expect"} and not _DEADLINE.search(rest):
            return False
        draft.requests += 1
        would = f"{who} would need " if match.group("verb").lower() in {"need", "require"} else f"{who} would like to have "
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
    r"(?P<no>no[,.]? )?(?P<who>I|we)(?P<be>'m| am|'re| are) (?P<not>not|never)(?: just| simply)? (?P<ing>[a-z-]+ing)\b", re.I
)
_WONT = re.compile(r"(?P<no>no[,.]? )?(?P<who>I|we) (?P<wont>won't|will not|cannot|can't|can not) (?P<verb>[a-z'\"-]+)\b", re.I)


def _refusal(draft: _Draft, sentence: Sentence) -> bool:
    """"No." and "I'm not doing it" become a refusal with regret."""
    text = draft.message[: sentence.end]
    at = sentence.start
    full = draft.text(sentence)
    i_am = "i'm afraid" if draft.is_lower else "I'm afraid"
    if re.fullmatch(r"(?:no|nope|no way|absolutely not|certainly not|no chance|out of the question|forget it)", full, re.I):
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
            start, end = at, match.end()
            regret, regret_more = _regret(draft)
            draft.add("refusal", 1, Change(start, end, draft.cap_first(sentence, at, plain)))
            draft.add("refusal_regret", 2, Change(start, end, draft.cap_first(sentence, at, f"{regret}{plain}")))
            draft.add("refusal_regret", 3, Change(start, end, draft.cap_first(sentence, at, f"{regret_more}{plain}")))
            return True
    match = _WONT.match(text, at)
    if match:
        who = "we" if match.group("who").lower() == "we" else match.group("who")
        wont = match.group("wont")
        regret, regret_more = _regret(draft)
        if "first" not in draft.hedges:
            draft.hedges.add("first")
            draft.add("wont", 1, Change(at, match.start("wont"), draft.cap_first(sentence, at, "unfortunately, ") + f"{who} "))
        draft.add("wont", 2, Change(at, match.start("wont"), draft.cap_first(sentence, at, f"{regret}{who} ")))
        able = "won't be able to" if wont.lower() in {"won't", "will not"} else "are not able to" if who == "we" else "am not able to"
        if match.group("verb").lower() not in {"be", "have", "find", "see", "tell", "believe", "even", "just", "keep", "help", "make"}:
            draft.add("wont_able", 3, Change(at, match.end("wont"), draft.cap_first(sentence, at, f"{regret_more}{who} {able}")))
        return True
    match = re.compile(r"no,? (?=(?:that|this|it|they|you|there|the)\b[^,]{2,60}(?:not|n't|no)\b)", re.I).match(text, at)
    if match:
        draft.add("no_but", 1, Change(at, match.end(), draft.cap_first(sentence, at, "unfortunately, ")))
        draft.add("no_but", 2, Change(at, match.end(), f"{i_am} "))
        return True
    return False


# Complaints ----------------------------------------------------------------------------------------------------

_CUES = re.compile(
    r"n't\b|n’t\b|\b(?:not|no|never|nobody|nothing|none|still(?! (?:valid|open|works?|working|fine|good|there|possible|free|available|on time|on track))|wrong|late|broken|broke|breaks|fail\w*|missing|miss(?:ed|es)|lost|forgot|"
    r"bad|badly|worse|worst|wast\w+|(?<!-)down|too (?:long|short|late|slow|small|big|high|low|many|much|expensive|few|little|loud|hot|cold|dark)|gone|crash\w*|errors?|mistakes?|problems?|stuck|ignor\w+|delet\w+|overwr\w+|incomplete|"
    r"incorrect|unable|cold|dirty|delay\w*|overdue|expired|rejected|denied|declined|cancel\w*|useless|terrible|mess|unusable|"
    r"unreadable|inconsistent|random|rude|blocks?|blocked|leaks?|leaked|dropped|behind|too short|slow|empty|over budget|weak|poor|outdated|"
    r"out of date|overdue|complain\w*|skipped|closed|duplicate\w*|unclear|confus\w+|disappoint\w+|loses|hard to|mixed|double|unbalanced|"
    r"dangerous|illegal|gaps?|third time|second time|instead of|angry|upset|furious)\b",
    re.I,
)
_POSITIVE = re.compile(
    r"\b(?:unfortunately|afraid|sadly|i think|i believe|it looks like|it seems|sorry|apolog\w+|no (?:problem|worries|rush|hurry|need)|not (?:urgent|bad)|"
    r"thank\w*|great|good|nice|glad|happy|welcome|perhaps|maybe|probably|whenever|i guess|congrat\w*|nothing (?:urgent|special|else|to worry)|don't worry|"
    r"excellent|well|would like|don't need|doesn't need|do not need|don't have to|doesn't have to|doesn't matter|not need\w*|not necessary|don't want|i feel|kind of|sort of|not sure|i don't know|don't mind|if you|as i mentioned|i told you|i said|i asked|i've asked|i want|i need)\b",
    re.I,
)
_OPENERS = frozenset(
    "the this that these those your our my his her their it he she they we there nobody somebody someone half all every some many most both "
    "several another a an nothing none you everything everyone".split()
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|do|did|can|will|isn't|aren't|wasn't|weren't|hasn't|haven't|hadn't|doesn't|don't|didn't|can't|cannot|won't|"
    r"keeps?|needs?|looks?|makes?|says?|shows?|reads?|takes?|costs?|breaks?|fails?|blocks?|crashes|loses|misses|goes|comes|\w+ed)\b|\w'(?:s|re|ve) \w",
    re.I,
)
_SUBJECT_BE = re.compile(
    r"(?!(?:until|before|after|as|since|while|although|though|once|given|for|at|in|on|from|with|by|about|not|maybe|perhaps|then|please)\b)"
    r"(?:(?!(?:or|and|but|i|you|we|because|so|who|that|which|what|whoever|if|when|where|it|they)\b)[\w'’/#-]+ ){1,6}?"
    r"(?P<be>is|are|was|were|has|have) (?P<next>[a-z]+)\b",
    re.I,
)
_YOU_DID = re.compile(r"you(?: guys| all| people)? (?P<adverb>(?:also|still|just|even|always|never|constantly|often|again|now|both|clearly|obviously|only) )?(?P<verb>[a-z']+)\b", re.I)
# A message with such words is friendly already: a hedge would turn its good news into bad news.
_KIND = re.compile(
    r"\b(?:thank you|thanks (?:for(?! nothing)|again|so|a lot|to you)|many thanks|grateful|appreciate|sorry|i apologi[sz]e|apologies|great (?:work|job)|well done|good (?:work|job)|congratulations|"
    r"kindly|would you mind|when you (?:have|get) (?:a|some) (?:moment|minute|chance|time)|hope (?:you|this|all)|dear|happy to|no rush|if it's not too much)\b",
    re.I,
)
_YOUR_DEED = re.compile(
    r"your (?:team|people|guys|driver|colleagues?|department|office|crew|staff|technician|installer|contractor|company|[a-z]+ team) [a-z]+(?:ed|ent|ft|ut|ook|ave|oke|old|ade)\b", re.I
)
_I_CANNOT = re.compile(
    r"(?:i|we)(?: just| also| really)? ?(?:can't|cannot|don't|didn't|won't|haven't|couldn't|hadn't|still|never|have no|had no|'m not|'re not|am not|are not|'ve not|'ve had|had to|lost|missed|got no)\b", re.I
)
_SHOULD_HAVE = re.compile(r"you should(?P<not> not|n't)? have (?P<pp>[a-z]+)\b", re.I)
_NEVER = re.compile(r"(?P<who>you|nobody|no one|they|he|she) (?P<never>never )?(?P<verb>[a-z]+)\b", re.I)
_NEXT_TIME = re.compile(
    r"(?P<lead>(?:next time|otherwise|or else),? )(?:(?P<who>i|we)(?:'m|'re| am| are) (?P<ing>[a-z]+ing)\b|(?=(?:i|we|it|you|they)(?:'ll| will| goes| get| won't| can't)\b))",
    re.I,
)
_THREAT = re.compile(r"if [^,.;:!?\n]{4,90}, (?:then )?(?=(?:i|we|you|it|they|this|that|the \w+|i'm|i'll|we'll|you'll)\b)", re.I)


_OBSERVED = frozenset(
    "needs wants takes reads uses knows likes has cares understands can will could would answers replies listens tells calls believes works does "
    "comes looks seems remembers sees helps".split()
)
_YOU_INSIDE = re.compile(
    r"(?P<lead>(?:,|;) (?:and |but )?(?:now |then )?| (?:and|but|because|since) (?:now |then )?)(?=(?P<you>you(?:'ve|’ve)?) (?:also |still |just )?(?P<verb>[a-z']+)\b)", re.I
)


def _blame_inside(draft: _Draft, sentence: Sentence) -> bool:
    """Blame in a later clause gets a hedge: "and you deleted it" becomes "and it looks like you deleted it"."""
    text = draft.text(sentence)
    if draft.is_friendly or "inside" in draft.hedges or "?" in draft.mark(sentence) or re.match(r"(?:if|when|unless|you)\b", text, re.I):
        return False
    words = _words()
    for match in islice(_YOU_INSIDE.finditer(text), 6):
        verb = match.group("verb").lower()
        if verb in _TOLD or verb in _NEUTRAL or re.search(r"\b(?:if|when|once|unless|until|what|that|who|which|how|why|as|where)\b[^,]*$", text[max(0, match.start() - 100) : match.start()], re.I):
            continue
        has_done = match.group("you").lower() != "you" and (verb in words.participles or verb.endswith("ed"))
        did = verb in words.pasts - words.past.keys() or verb.endswith("ed") or verb in {"haven't", "didn't", "keep", "weren't", "ignored", "forgot"}
        if has_done or did and match.group("you").lower() == "you":
            at = sentence.start + match.end("lead")
            draft.hedges.add("inside")
            return draft.add("you_did_inside", 2, Change(at, at, "it looks like "))
    return False


_TOLD = frozenset("said asked told wanted knew mentioned need agreed were had been heard seen got saw thought known asked wished liked felt".split())
_NEUTRAL = frozenset(
    "stayed helped did made got went came found worked showed took gave handled explained answered wrote sent shared fixed solved kept brought managed improved".split()
)


def _complaint(draft: _Draft, sentence: Sentence, rank: int, has_milder: bool) -> bool:
    """A statement that blames or complains gets a hedge."""
    text = draft.message[: sentence.end]
    full = draft.text(sentence)
    mark = draft.mark(sentence)
    if "?" in mark or len(full) < 8 or full.endswith(":"):
        return False
    at = _lead_end(draft, sentence)
    filler = re.compile(r"(?:honestly|frankly|seriously|obviously|clearly|look|listen|sorry but),? ", re.I).match(text, at)
    begin = filler.end() if filler else at
    i, i_am = ("i", "i'm afraid") if draft.is_lower else ("I", "I'm afraid")
    if _POSITIVE.search(full) or draft.is_friendly:
        return False
    for edit in draft.edits:
        if sentence.start <= edit.start <= begin + 2 and edit.end > begin and edit.level == 1:
            change = edit.changes[0]
            if len(edit.changes) == 1 and change.start == sentence.start and change.text.startswith(("You ", "you ")):
                hedge = draft.cap(sentence.start, "it looks like ")
                draft.add("you_milder", 2, change._replace(text=hedge + change.text[0].lower() + change.text[1:]))
                return True
            return False

    def front(words: str, end: int, kept: str = "") -> Change:
        is_first = text[at].isupper() and at == sentence.start
        return Change(at, end, (words[:1].upper() + words[1:] if is_first else words) + kept)

    match = _SHOULD_HAVE.match(text, begin)
    if match:
        negation = "not " if match.group("not") else ""
        start = match.start("pp")
        draft.add("should_have", 1, front(f"it would have helped if you had {negation}", start))
        draft.add("should_have", 2, front(f"{i} think it would have helped if you had {negation}", start))
        draft.add("should_have", 3, front(f"{i} believe that it would have helped if you had {negation}", start))
        return True
    match = re.compile(rf"if [^,.;:!?\n]{{4,90}}, (?P<should>you should(?P<not> not|n't)? have) (?P<pp>[a-z]+)\b", re.I).match(text, begin)
    if match:
        negation = " not" if match.group("not") else ""
        new = f"it would have helped if you had{negation}"
        draft.add("should_have", 1, Change(match.start("should"), match.end("should"), new))
        return True
    match = _THREAT.match(text, begin)
    if match:
        if not re.match(r"if (?:i|you|we|it|this|that|they|he|she|there|your)\b.*(?:n't|n’t|not|late|again|miss|fail|\bno )", match.group(), re.I):
            return False
        if re.match(r"(?:i|we) (?:assume|think|guess|suppose|want|need|would|'d)\b|(?:i|we)'d\b", text[match.end() :], re.I):
            return False
        draft.add("threat", 2, Change(match.end(), match.end(), f"{i_am} "))
        return True
    match = _NEXT_TIME.match(text, begin)
    if match:
        base = _words().base_of_ing.get((match.group("ing") or "").lower())
        who = match.group("who")
        if base and who:
            draft.add("threat_have_to", 1, Change(match.start("who"), match.end("ing"), f"{who} will have to {base}"))
            draft.add("threat_have_to", 2, Change(match.start("who"), match.end("ing"), f"{i_am} {who} will have to {base}"))
        else:
            draft.add("threat", 2, Change(match.end("lead"), match.end("lead"), f"{i_am} "))
        return True
    match = _NEVER.match(text, begin)
    if match and (match.group("never") or match.group("who").lower() in {"nobody", "no one"}):
        verb = match.group("verb").lower()
        is_past = verb in _words().pasts or verb.endswith("ed") or verb in {"was", "were", "had", "told", "knew"}
        is_present = verb in _words().thirds and not match.group("never") or verb in {"needs", "wants", "cares", "likes", "will", "can", "could", "would", "does"}
        if not (is_past or is_present) or re.search(
            r"\b(?:except|but|unless|until|before|without|from now|anymore)\b", full
        ) or is_present and re.search(r"\b(?:again|today|now)\b", full):
            return False
        if is_present and verb not in _OBSERVED:
            return False
        subject = {"nobody": "anybody", "no one": "anyone"}.get(match.group("who").lower(), match.group("who").lower())
        start, who = match.start("verb"), text[begin : match.start("verb")]
        if is_present or match.group("never"):
            draft.add("nobody_does", 1, front(f"{i} don't think {subject} ", start))
            if "unfortunately" not in draft.hedges:
                draft.add("nobody_does", 2, front(f"unfortunately, {i} don't think {subject} ", start))
                draft.hedges.add("unfortunately")
        else:
            who = who[0].lower() + who[1:]
            draft.add("nobody_did", 1, front(f"unfortunately, {who}", start))
            draft.add("nobody_did", 2, front(f"it looks like {who}", start))
            draft.add("nobody_did", 3, front(f"{i_am} it looks like {who}", start))
            draft.hedges.add("afraid")
        return True
    match = re.compile(r"you(?:'ve|’ve| have) (?:not |never |just )?(?P<pp>[a-z]+)\b", re.I).match(text, begin)
    if match and match.group("pp").lower() in _words().participles and not re.search(r"\b(?:won|earned|helped|improved)\b", full):
        regret = "" if "unfortunately" in draft.hedges else "unfortunately, "
        kept = "you" + text[begin + 3 : begin + 4]
        draft.add("you_have", 2, front("it looks like ", begin + 4, kept))
        draft.add("you_have", 3, front(f"{regret}it looks like ", begin + 4, kept))
        draft.hedges.add("unfortunately")
        return True
    match = _YOU_DID.match(text, begin)
    if match:
        verb = match.group("verb").lower()
        words = _words()
        finite = (
            verb in words.pasts
            and (verb not in {"put", "let", "cut", "set", "read", "split", "shut", "hit"} or bool(_CUES.search(full)))
            or verb.endswith("ed")
            or verb in {"haven't", "didn't", "were", "weren't", "forgot", "keep", "never", "missed", "ignored", "had", "overlooked", "slept"}
        )
        if not _CUES.search(full) and verb in _NEUTRAL:
            return False
        if (match.group("adverb") or "").strip().lower() in {"always", "never", "constantly", "often"} and verb in words.past:
            finite = True
        is_general = verb in {"can't", "cannot", "aren't", "are", "won't", "shouldn't"}
        if not is_general and not finite or verb in {"said", "asked", "wanted", "knew", "mentioned", "need", "agreed"}:
            return False
        if verb == "told" and re.match(r" (?:me|us)\b", text[match.end() :]):
            return False
        if verb in {"had", "were"} and not _CUES.search(full):
            return False
        if not is_general:
            strong = {"forgot": "may have forgotten", "missed": "may have missed"}.get(verb)
            regret = "" if "unfortunately" in draft.hedges else "unfortunately, "
            lower = text[begin].lower()
            end, kept = begin + 1, lower
            if strong:
                end, kept = match.end("verb"), f"you{text[begin + 3 : match.start('verb')]}{strong}"
            draft.add("you_did", 1, front(f"{i} think ", end, kept))
            draft.add("you_did", 2, front("it looks like ", end, kept))
            draft.add("you_did", 3, front(f"{regret}it looks like ", end, kept))
            draft.hedges.add("unfortunately")
            return True
    clause = re.match(r".{20,}?(?=[,;:]\s|$)", draft.message[begin : sentence.end], re.S)
    head = clause.group() if clause else draft.message[begin : sentence.end]
    if sentence is draft.sentences[0] and len(draft.sentences) > 1 and not _CUES.search(head) and not has_milder:
        mine = re.compile(r"your [\w' -]{2,40}? (?:is|are|was|were|has|have|had|says?|begins?|starts?|takes?|shows?|ends?|contains?|costs?|uses?|[a-z]+ed)\b", re.I).match(head)
        if mine and not re.search(r"\b(?:will|can|should|must|would|leaves|arrives)\b", head) and not _YOUR_DEED.match(head):
            kept = text[begin].lower()
            draft.add("noticed", 2, front(f"{i} noticed that ", begin + 1, kept))
            return True
    is_deed = bool(_YOUR_DEED.match(head))
    if not _CUES.search(head) and not has_milder and not is_deed or not _FINITE.search(head):
        return False
    word = re.compile(r"[\w’']+(?= )").match(text, begin)
    if not word:
        return False
    first = word.group()
    level = 2 if has_milder or rank > 0 else 1
    stem = re.split(r"['’]", first)[0].lower()
    if stem in {"i", "we"} and not _I_CANNOT.match(full, begin - sentence.start):
        return False
    if stem in _OPENERS or stem == "i":
        lower = first if stem == "i" and not draft.is_lower else first[0].lower() + first[1:]
        kept, end = lower, word.end()
        is_yours = stem == "your"
        that = "" if stem in {"that", "this", "these", "those"} else "that "
        if is_yours and has_milder:
            hedges = ("", f"{i} think ", f"{i_am} ")
            draft.hedges.add("afraid")
        elif is_yours:
            regret = "" if "unfortunately" in draft.hedges else "unfortunately, "
            hedges = (f"{i} think ", "it looks like ", f"{regret}it looks like ")
            draft.hedges.add("unfortunately")
        elif "afraid" not in draft.hedges:
            hedges = ("unfortunately, ", f"{i_am} ", f"{i_am} {that}")
            draft.hedges.add("afraid")
        elif "unfortunately" not in draft.hedges:
            hedges = ("", "unfortunately, ", "unfortunately, ")
            draft.hedges.add("unfortunately")
        else:
            return False
        rule = "hedge_your" if is_yours else "hedge"
        if hedges[0].startswith("unfortunately") and level == 1:
            if "first" in draft.hedges:
                level = 2
            draft.hedges.add("first")
        for number, hedge in enumerate(hedges, 1):
            if hedge and number >= level and (number == level or hedge != hedges[number - 2]):
                draft.add(rule, number, front(hedge, end, kept))
        return True
    be = _SUBJECT_BE.match(text, begin)
    if be and (be.group("be") not in {"has", "have"} or be.group("next") in _words().participles | {"not", "still"}):
        at_word = be.start("next")
        if "unfortunately" in draft.hedges or any(edit.start == at_word for edit in draft.edits):
            return False
        draft.add("hedge_inside", level, Change(at_word, at_word, "unfortunately "))
        draft.hedges.add("unfortunately")
        return True
    return False


# Greeting and thanks -------------------------------------------------------------------------------------------

_GREETING = re.compile(r"\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|morning|evening|afternoon|team|all)\b", re.I)


def _open_and_close(draft: _Draft) -> None:
    """At level 3 a name in front becomes a greeting, and a request gets thanks."""
    message = draft.message
    first, last = draft.sentences[0], draft.sentences[-1]
    match = _NAME_LEAD.match(message, first.start)
    if (
        match
        and not _GREETING.match(message)
        and match.group("sep") == ","
        and match.group("name").lower() not in _NO_NAMES
        and (message[first.start].isupper() or names.find(message[first.start : match.end()]))
        and not _is_verb(match.group("name").lower())
        and (names.find(match.group("name")) or match.group("name").startswith(("Mr", "Ms", "Dr")))
    ):
        draft.add("greeting_name", 3, Change(first.start, first.start, "hi " if draft.is_lower else "Hi "))
    elif not draft.requests and first.start == 0 and not _GREETING.match(message):
        _greet_first(draft, first)
    if draft.requests and not _THANKS.search(message) and last.stop > last.end and last.stop == len(message.rstrip()):
        if not re.search(r"[\"')\]]$", draft.mark(last)):
            draft.add("thanks", 3, Change(last.stop, last.stop, _thanks(draft)))


def _greet_first(draft: _Draft, first: Sentence) -> None:
    """The strongest edits at the start of the message get a greeting at level 3, since two cannot start at one place."""
    message = draft.message
    hello = "hi, " if draft.is_lower else "Hi, "
    at_start = [edit for edit in draft.edits if edit.changes[0].start == first.start]
    if not at_start:
        word = re.compile(r"[\w’']+").match(message, first.start)
        stem = re.split(r"['’]", word.group())[0] if word else ""
        if word and (stem.lower() in _OPENERS or stem in {"I", "i"} or draft.is_lower):
            kept = word.group() if stem in {"I", "i"} else word.group()[0].lower() + word.group()[1:]
            draft.add("greeting", 3, Change(first.start, word.end(), hello + kept))
        return
    best = max(at_start, key=lambda edit: (edit.level, edit.end - edit.start))
    change = best.changes[0]
    if not change.text or change.end == change.start and not change.text.strip():
        return
    keeps = change.text.startswith(("I ", "I'")) or change.end > change.start and message[change.start : change.end] == change.text
    text = hello + (change.text if keeps else change.text[0].lower() + change.text[1:])
    greeted = Edit(best.rule, 3, (Change(change.start, change.end, text), *best.changes[1:]))
    if best.level == 3:
        draft.edits.remove(best)
    draft.edits.append(greeted)
