"""Proposes notes beside words for what the message never names: "he", "there", "the other report".

A note such as "he (who is not stated)" must be true, so each kind of word has a check that nothing before it
can be meant. Where the check leaves a doubt, the name of the rule ends in "unsure".
"""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from data.records import TransformType
from data.redaction import names
from models.edits import clarify
from models.edits.clarify.message import Message, Sentence, read_message, touches_protected
from models.edits.clarify.notes import Note
from models.edits.clarify.sentences import is_closing, missing_mark
from models.edits.script import Change, Edit

WORDS = Path(__file__).with_suffix(".yaml")

_MOST = (
    40  # Only the first such words of a message are read, so that the work does not grow with their square.
)
_SHORT_TEXT = 200  # characters; a longer message may explain itself in ways that no rule sees
_REACH = 1_000  # Only references in the first characters get notes: a long message explains itself.


class Reference(NamedTuple):
    """Words at `[start:end)`, what replaces them, and what the message does not state about them.

    `rank` orders the references of a message, the most important for acting first. Two references of the same
    `group` may mean the same.
    """

    rule: str
    group: str
    rank: int
    start: int
    end: int
    words: str
    gap: str
    tail: str = ""  # what follows the note, such as the verb of "he's"


def propose(message: str, transform_type: TransformType) -> list[Edit]:
    """All notes of what an English message refers to and does not name, for clarify and background."""
    if transform_type not in {TransformType.CLARIFY, TransformType.BACKGROUND}:
        return []
    read = read_message(message)
    if read is None:
        return []
    references = _references(read)
    if transform_type is TransformType.CLARIFY:
        edits = [*_notes(read, references, "clarify"), *_who_acts(read)]
    else:
        edits = list(_notes(read, references, "background"))
    return [edit for edit in edits if not touches_protected(read, edit)]


# Which references become notes


def _references(read: Message) -> list[Reference]:
    """The references without a possible antecedent, one for each referent, the most important first."""
    kinds = (
        *(_persons, _groups, _things, _demonstratives, _places, _others, _ordinals, _ones),
        *(_last_times, _owners, _somebody, _people, _matters),
    )
    every = [reference for kind in kinds for reference in itertools.islice(kind(read), 2)]
    kept: list[Reference] = []
    for reference in sorted(every, key=lambda item: (item.rule.endswith("unsure"), item.rank, item.start)):
        if reference.end > _REACH or read.text[reference.end :].lstrip().startswith("("):
            continue
        if any(
            reference.group == other.group or (reference.start < other.end and other.start < reference.end)
            for other in kept
        ):
            continue
        kept.append(reference)
    return kept


def _notes(read: Message, references: list[Reference], prefix: str) -> Iterator[Edit]:
    """One note a level, the most important first; the notes of other rules count too."""
    others = clarify.gaps(read)
    noted = sum(note.rule != "thing" for note in others)
    level = 1
    for reference in references:
        same = [note for note in others if _group_of(read, note) == reference.group]
        here = [note for note in same if note.start <= reference.start < note.end]
        if same and not here:
            continue
        if not here and level == 1 and noted:
            level = min(1 + noted, 4)
        if level > 3:
            return
        yield from _note(read, reference, prefix, level)
        level += 1


def _note(read: Message, reference: Reference, prefix: str, level: int) -> Iterator[Edit]:
    rule, text = f"{prefix}.ref_{reference.rule}", read.text
    if prefix == "background":
        gap = reference.gap.replace("not stated", "not explained here")
        start = reference.start if reference.tail else reference.end - 1
        words = text[reference.start : reference.end] if not reference.tail else reference.words
        words = words if reference.tail else words[-1]
        yield Edit(rule, level, (Change(start, reference.end, f"{words} ({gap}){reference.tail}"),))
        return
    words = reference.words
    if reference.start in read.starts:
        words = words[:1].upper() + words[1:]
    change = Change(reference.start, reference.end, f"{words} ({reference.gap}){reference.tail}")
    yield Edit(rule, level, (change,))
    if reference.tail:
        # A rule of level 2 or 3 would write "it's" in full at the same place.
        for higher in range(level + 1, 4):
            yield Edit(rule, higher, (change,))


_GROUPS = {"he": "he", "him": "he", "she": "she", "her": "she", "they": "they", "them": "they", "it": "it"}


def _group_of(read: Message, note: Note) -> str:
    first = re.match(r"[a-z]+", read.text[note.start : note.end].lower())
    word = first.group() if first else ""
    return _GROUPS.get(word, "it" if word in {"this", "that"} and note.rule == "pronoun" else "")


# What stands before a reference


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOKEN = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|\d[\w:.,-]*")


@cache
def _words(kind: str) -> frozenset[str]:
    """The words of one list of `references.yaml`."""
    return _lists()[kind]


@cache
def _lists() -> dict[str, frozenset[str]]:
    read = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return {kind: frozenset(words.split()) for kind, words in read.items()}


class _Before(NamedTuple):
    """The words of the body before a reference; the name of the person it speaks to is left out."""

    tokens: list[str]
    capitals: list[str]  # words that may be a name of anything
    persons: list[str]  # names of persons


def _before(read: Message, at: int) -> _Before:
    tokens: list[str] = []
    capitals: list[str] = []
    start = min(read.body, at)
    persons = [
        name.word
        for name in names.find(read.text[:at])
        if name.at >= start and not (name.at == read.body and read.text[name.at + len(name.word)] == ",")
    ]
    for match in _TOKEN.finditer(read.text, start, at):
        word = match.group()
        tokens.append(word.lower())
        if word[0].isupper() and word.split("'")[0] != "I" and word.lower() not in _words("no_person"):
            first = match.start() in read.starts or match.start() == start
            if not first or (
                word.lower() not in _words("function")
                and _NAME_VERB.match(read.text, match.end())
                and word.lower() not in _words("persons")
            ):
                capitals.append(word)
    return _Before(tokens, capitals, persons)


_NAME_VERB = re.compile(
    r" (?:and|says?|said|thinks?|thought|wants?|wanted|knows?|knew|is|was|has|had|will|asked|asks|told|tells|"
    r"can|can't|does|did|didn't|doesn't|isn't|won't|needs?|sent|sends|called|calls|wrote|gave|moved|took|"
    r"left|"
    r"agreed|liked|likes|spoke|just|also|still|already|never|would|should|got|came|went|mentioned|confirmed|"
    r"[a-z]+(?:ed|s)|keeps?|made|put|found|changed|promised|started|[A-Z][a-z]+)\b|'s "
)


def _has_person(before: _Before) -> bool:
    """Whether a noun for a person stands before; the "someone" of "can someone ask him" is nobody yet."""
    persons, modals = _words("persons"), _words("modals")
    return any(
        (_singular(word) in persons or word in persons)
        and not (last in modals and word in {"someone", "somebody", "anyone", "anybody"})
        for last, word in itertools.pairwise(["", *before.tokens])
    )


def _singular(token: str) -> str:
    token = token.removesuffix("'s")
    if token.endswith("ies"):
        return token[:-3] + "y"
    return token[:-1] if token.endswith("s") and not token.endswith("ss") else token


def _has_plural(before: _Before) -> bool:
    """Whether a plural noun or one for a group stands before; a verb with an s counts as no noun."""
    persons, groups, verbs = _words("persons"), _words("groups"), _words("verbs_with_s")
    articles, last = _words("articles"), ""
    names_here = {name.lower() for name in before.persons}
    for word in before.tokens:
        if word in names_here:
            last = word
            continue
        if last == "other" and word == "side":
            return True
        if word in groups or _singular(word) in groups or _singular(word) in persons:
            return True
        plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "'s"))
        if (
            plural
            and (word not in _words("no_plural") or (word, last) == ("minutes", "the"))
            and (word not in verbs or last in articles)
        ):
            return True
        last = word
    return False


def _strangers(before: _Before) -> int:
    """How many words before may name a thing.

    The last word is a verb where its subject, "to" or a request stands before it.
    """
    known = _words("function") | _words("persons") | _words("reporting")
    names_here = {name.lower() for name in before.persons}
    tokens = before.tokens
    subjects = _words("subjects")
    count = 0
    for index, token in enumerate(tokens):
        base = token.removesuffix("'s")
        if token in known or base in names_here or _singular(token) in known:
            continue
        last = tokens[index - 1] if index else ""
        if (
            index == len(tokens) - 1
            and last
            and (last in subjects or last in names_here or _singular(last) in _words("persons"))
        ):
            continue
        count += 1
    return count


def _has_noun(before: _Before) -> bool:
    """Whether a word that may name a thing has an article or an adjective before it."""
    known, articles = _words("function") | _words("persons") | _words("reporting"), _words("articles")
    return any(
        last in articles - {"of", "for", "with", "from", "in", "on", "at", "no"} and token not in known
        for last, token in itertools.pairwise(before.tokens)
    ) or (before.tokens[0] not in known and before.tokens[0] not in map(str.lower, before.persons))


def _has_other_name(before: _Before) -> bool:
    """Whether a capitalised word that is no person's name stands before."""
    return bool(
        {name.lower() for name in before.capitals}
        - {name.lower() for name in before.persons}
        - _words("no_person")
    )


# Persons

_HE = re.compile(
    r"(?<![\w'/-])(?P<word>he|she|him|her)(?:'(?P<short>s|ll|d))?(?![\w'/-])(?P<next> ?[a-z']*)", re.I
)
_HER_OBJECT = re.compile(
    r"\s*(?:[,.!?;]|$)| (?:to|for|by|before|after|about|again|today|tomorrow|now|if|when|and|but|or|because|"
    r"so|"
    r"at|on|in|with|what|how|that|the|a|an|yesterday|yet|soon|first|until|as|i|we|you|they|please)\b",
    re.I,
)


def _persons(read: Message) -> Iterator[Reference]:
    """He or she where no person stands before."""
    seen: set[str] = set()
    for match in itertools.islice(_HE.finditer(read.text, read.body), _MOST):
        word = match.group("word")
        gender = "he" if word.lower() in {"he", "him"} else "she"
        if gender in seen:
            continue
        seen.add(gender)
        if read.text[match.end("word") : match.end("word") + 1] in {"/", "'"} and not match.group("short"):
            continue
        end = match.end("short") if match.group("short") else match.end("word")
        if word.lower() == "her" and not _HER_OBJECT.match(read.text, end):
            continue
        before = _before(read, match.start())
        if before.tokens[-1:] == ["who"]:
            continue
        if _has_person(before):
            continue
        rule = "person"
        if before.capitals or before.persons:
            known = {name.lower() for name in [*before.capitals, *before.persons]}
            others = _words("female" if gender == "he" else "male")
            if not before.persons or not all(name in others or name in _words("no_person") for name in known):
                continue
            rule = "person_unsure" if len(known) > 1 else "person_other"
        elif match.start() > read.body and _names_later(read, match.end()):
            rule = "person_unsure"
        tail = _short_verb(match.group("short"), match.group("next"))
        if tail is None:
            continue
        yield Reference(rule, gender, 0, match.start(), end, word, "who is not stated", tail)


def _names_later(read: Message, at: int) -> bool:
    """Whether the sentence goes on with a name, which may be the person that is meant."""
    item = read.sentence(at - 1)
    return any(span.kind == "name" and at <= span.start < item.end for span in read.facts)


def _short_verb(short: str | None, following: str) -> str | None:
    """The verb of "he's" in full; nothing where two verbs are possible."""
    following = following.strip().lower()
    match short:
        case None:
            return ""
        case "ll" | "re" | "ve":
            return {"ll": " will", "re": " are", "ve": " have"}[short]
        case "d":
            return " would" if following in {"like", "prefer", "love", "rather", "be", "need"} else None
        case _:
            if following in {"been", "got", "had"}:
                return " has"
            if following in _words("after_is") or following.endswith("ing"):
                return " is"
            return None


# Groups

_THEY = re.compile(
    r"(?<![\w'/-])(?P<word>they|them)(?:'(?P<short>re|ll|ve|d))?(?![\w'/-])(?P<next> ?[a-z']*)", re.I
)
_IDIOM_BEFORE = re.compile(r"\b(?:as|us and|[a-z]{1,12} of) $", re.I)
_WHOM = re.compile(
    r"\b(?:tell|ask|asked|asks|told|call|called|ring|phone|email|emailed|mail|remind|reminded|warn|warned|"
    r"inform|"
    r"informed|contact|contacted|pay|paid|owe|owes|thank|invite|invited|visit|chase|chased|push|"
    r"convince|reach|from|with|to|us not|promised|promise|answer|let|help|trust|believe) $",
    re.I,
)
_GIVE = re.compile(
    r"\b(?:send|sent|give|gave|show|showed|offer|offered|write|wrote|quote|quoted|charge|lend|lent|sell|"
    r"sold|bring|brought|get|make) $",
    re.I,
)
_GIVEN = re.compile(
    r" (?:the|a|an|our|your|my|this|some|another|two|has|is|was|what|more|one|about|last)\b", re.I
)


def _later(read: Message, at: int) -> _Before:
    """The rest of the sentence, which may name what a pronoun before it means."""
    item = read.sentence(at)
    return _Before([match.group().lower() for match in _TOKEN.finditer(read.text, at, item.stop)], [], [])


_CATAPHORA = re.compile(r"(?:if|when|before|until|as|since|once|although|because|unless)\b", re.I)


def _groups(read: Message) -> Iterator[Reference]:
    """They or them where no plural noun and no group stands before; only the first in a message."""
    for match in itertools.islice(_THEY.finditer(read.text, read.body), 1):
        word = match.group("word")
        near = read.text[max(0, match.start() - 16) : match.start()]
        end = match.end("short") if match.group("short") else match.end("word")
        if _IDIOM_BEFORE.search(near) or re.match(
            r"they say,", read.text[match.start() : match.end() + 6], re.I
        ):
            return
        before = _before(read, match.start())
        # "Who are they?" asks already.
        if before.tokens[-1:] == ["who"] or _has_plural(before) or set(before.tokens) & _words("several"):
            return
        gap = "who is not stated"
        unsure = bool(before.capitals) or _strangers(before) > 9 or _has_person(before)
        if word.lower() == "them" and not _WHOM.search(near):
            if _GIVE.search(near):
                if not _GIVEN.match(read.text, end):
                    unsure = True
                    gap = "who or what is not stated"
            else:
                unsure = True
                gap = "who or what is not stated"
        if _has_person(before) and not before.persons:
            return
        if _CATAPHORA.match(read.words(read.sentence(match.start()))):
            unsure = unsure or _has_plural(_later(read, match.end()))
        if len(before.persons) > 1 or (_has_other_name(before) and len(read.text) > _SHORT_TEXT):
            return
        tail = _short_verb(match.group("short"), match.group("next"))
        if tail is not None:
            rule = "group_unsure" if unsure else "group"
            # A company, or a site of one, may be meant.
            rule = "group_or_name_unsure" if _has_other_name(before) else rule
            yield Reference(rule, "they", 1, match.start(), end, word, gap, tail)


# Things

_OBJECT_VERB = (
    r"(?:send|sent|sends|fix|fixed|move|moved|moves|check|checked|change|changed|finish|finished|sign|signed|"
    r"approve|approved|review|reviewed|delete|deleted|reset|update|updated|share|shared|use|used|restart|"
    r"restarted|return|returned|print|printed|order|ordered|cancel|cancelled|deploy|deployed|merge|merged|"
    r"test|"
    r"tested|put|need|needs|want|wants|found|find|open|opened|close|closed|try|tried|handle|handled|install|"
    r"installed|remove|removed|add|added|pay|paid|collect|bring|brought|pick|leave|left|push|pushed|rename|"
    r"postpone|rewrite|rewrote|redo|repair|repaired|replace|replaced|upload|uploaded|forward|forwarded|has|"
    r"have|lost|broke|start|started|stop|stopped|run|ran|book|booked|show|showed|"
    r"looked at|look at|looking at|look into|talk about|talked about|deal with|dealing with|work on|"
    r"working on|"
    r"wait for|waiting for|responsible for|reply to|replied to|access to|access|revert|reverted|rejected|"
    r"reject|accept|accepted|like|likes|liked|discuss|discussed|present|ship|shipped|ordering|sending|"
    r"moving|changing|fixing|checking|saw|seen|missed|noticed|heard about|asked for|asking for|agreed to|"
    r"know about|knows about|"
    r"knew about|told me about|sell|sold|borrow|borrowed|gave|give|received|do|doing|broke|lend|store|stored)"
)
_IT_OBJECT = re.compile(
    rf"\b{_OBJECT_VERB} (?:back |away |out |over |up )?(?P<word>it)(?=\s*[.!?;]|\s*$|,(?! and that)|"
    rf" (?:to (?:room|"
    r"the|my|our|your|me|him|her|them|us|[A-Z0-9])|for (?:me|us|the|him|her|them)|by|before|after|again|"
    r"back|today|tomorrow|now|yesterday|in (?:the|our|my)|on (?:the|my|our|mon|tues|wednes|thurs|fri)|from|"
    r"this|last|next|and|but|because|so|or|if|when|until|already|yet|soon|off|anymore|any more|please|asap|"
    r"changed|done|fixed|moved|removed|ready|with|as)\b)",
    re.I,
)
_IT_SUBJECT = re.compile(
    r"(?<![\w'-])(?P<word>it)(?:'(?P<short>s|ll)(?= (?:broken|wrong|down|missing|stuck|empty|gone|back|"
    r"there|ready|in (?:the|my|our)|on (?:the|my|our)|at (?:the|my|our)|still|not (?:working|ready|in|on|"
    r"there)|crashing|failing|working)\b)|(?= (?:is|was|isn't|wasn't|"
    r"has been) (?:still |also |now |already |not )?(?:wrong|broken|down|missing|stuck|empty|gone|back|there|"
    r"ready|in (?:the|my|our)|on (?:the|my|our)|crashing|failing|working|done|finished|signed|approved|lost|"
    r"blank)\b|"
    r" (?:works|worked|doesn't work|failed|fails|crashed|crashes|keeps|stopped|needs to|should be in|arrived|"
    r"hasn't arrived|came|went|has to go|has to be|must be|should go|should stay|will be in|goes|(?:was|"
    r"is|wasn't|has) (?:never|not|already|only) (?:been )?(?:sent|approved|signed|paid|delivered|ordered|"
    r"finished|fixed|done|tested|agreed)|broke|"
    r"hangs|runs|still)\b|(?P<where>(?<=where it) is\b)))",
    re.I,
)
_IT_ASKED = re.compile(
    r"it (?:done|ready|working|finished|fixed|broken|signed|approved|still (?:there|broken|down|open|in|"
    r"on)|back|gone|"
    r"sent|work(?! for\b)|arrived?|been (?:sent|approved|signed|paid|fixed|done|ordered)|in (?:the|our|my)|"
    r"on (?:the|our|my))\b",
    re.I,
)
_NO_THING = re.compile(
    r"\bit(?:'s| is| was) (?:in (?:our|your|my) (?:interest|hands)|on (?:me|us|you)|at least|in fact|back to|"
    r"one of|still (?:early|possible|unclear|too|cold|raining|not clear|better|worth))|"
    r"\bit (?:keeps (?:raining|"
    r"snowing|happening)|still (?:is|isn't|takes|makes)|goes without|came (?:to|as)|works for|went (?:well|"
    r"fine)|"
    r"needs to be (?:said|clear)|must be (?:said|nice|possible|hard)|has to be (?:said|possible))",
    re.I,
)


def _things(read: Message) -> Iterator[Reference]:
    """The first "it" where no noun before it can be meant."""
    first = re.compile(r"(?<![\w'-])it(?![\w-])", re.I).search(read.text, read.body)
    if first is None:
        return
    before = _before(read, first.start())
    strange = _strangers(before)
    if strange > 1 or _has_other_name(before):
        return
    if set(before.tokens) & {"this", "that", "one", "something", "anything", "which", "everything", "what"}:
        return
    last = before.tokens[-1] if before.tokens else ""
    if _NO_THING.match(read.text, first.start()) or (last == "put" and {"as", "to"} & set(before.tokens)):
        return
    obj = next(
        (
            match
            for match in itertools.islice(_IT_OBJECT.finditer(read.text, read.body), 3)
            if match.start("word") == first.start()
        ),
        None,
    )
    subject = _IT_SUBJECT.match(read.text, first.start())
    asked = _IT_ASKED.match(read.text, first.start())
    inverted = last in {"is", "was", "has", "will", "does", "did", "isn't", "hasn't"} and asked
    where = last in {"where", "when"} and re.match(r"it is(?=\s*[.?!,]|$)", read.text[first.start() :], re.I)
    if not (obj or subject or where or inverted):
        return
    if strange == 1 and _has_noun(before):
        return
    rule = "thing_unsure" if strange == 1 else "thing"
    end, tail = first.end(), ""
    if subject and subject.group("short"):
        end = subject.end("short")
        tail = " is" if subject.group("short") == "s" else " will"
    yield Reference(rule, "it", 1, first.start(), end, first.group(), "what is not stated", tail)


_DEMONSTRATIVE = re.compile(
    rf"\b(?:do|did|doing|{_OBJECT_VERB}) (?P<word>that|this|those|these)(?=\s*[.!?]|\s*$|,| (?:in (?:the|"
    rf"our|my)|to "
    r"(?:the|me|him|her|them|us)|on (?:the|my|our)|for (?:me|us|the|him|her|them)|by|before|today|tomorrow|"
    r"now|"
    r"this|next|until|unless|if|when|again|anymore|any more|please|asap|too|soon|yet|at the moment|"
    r"right now)\b)",
    re.I,
)
_THAT_ALONE = re.compile(
    r"(?:(?:not |so )?(?:happy|ok|okay|fine|busy|unhappy|agree|done|"
    r"ready) with (?P<with>that)(?=\s*[,.?!]|\s*$)|"
    r"(?:is|was) (?P<asked>that) (?:done|ready|fixed|sorted|approved|confirmed|finished|still (?:on|open|"
    r"there|the plan|"
    r"valid|needed))\b|(?P<start>that) (?:didn't|doesn't|won't) (?:work|fit|help|match)\b)",
    re.I,
)
_ATTACHED = re.compile(r"https?:|www\.|attach|below|fw[d:]?\b|forward|\bsee\b|screenshot|link|[\"“`>:]", re.I)


def _demonstratives(read: Message) -> Iterator[Reference]:
    """That or this as an object in the first clause, where no noun stands before."""
    alone = _THAT_ALONE.match(read.text, read.body)
    if alone and alone.lastgroup and not _ATTACHED.search(read.text):
        at, end = alone.span(alone.lastgroup)
        yield Reference("that_start", "it", 1, at, end, read.text[at:end], "what is not stated")
        return
    match = _DEMONSTRATIVE.search(read.text, read.body, read.body + 120)
    if match is None or _ATTACHED.search(read.text):
        return
    at = match.start("word")
    before = _before(read, at)
    if before.capitals or before.persons or len(before.tokens) > 9 or _strangers(before):
        return
    if re.search(r"[.;?!\n]", read.text[read.body : at]) or set(before.tokens) & {
        "it",
        "they",
        "so",
        "because",
    }:
        return
    word = match.group("word")
    gap = "what is not stated" if word.lower() in {"that", "this"} else "which ones is not stated"
    rule = "that" if word.lower() in {"that", "those"} else "this_unsure"
    yield Reference(rule, "it", 1, at, match.end("word"), word, gap)


# Places

_THERE = re.compile(
    r"\b(?:(?:i'm|we're|i am|we are|i'll be|we'll be|be)(?= there (?:until|at|by|from|to|tomorrow|today|on))|"
    r"go(?:es|ing)?|went|on site|meet|meeting|put (?:it|them|that|one)|leave (?:it|them|that)|"
    r"left (?:it|them)|"
    r"send (?:it|them|him|her)|sent (?:it|them|him|her)|someone|somebody|nobody|people|works?|working|worked|"
    r"drive|driving|get|got|arrive[ds]?|stay(?:s|ed)?|park|live[sd]?|up|down|back|from|staff|"
    r"store[ds]?|stored|parked|moving|moved|delivered?|deliver) (?P<word>there)(?=\s*[,.!?;]|\s*$|"
    r" (?:anymore|any more|"
    r"again|today|tomorrow|now|yesterday|this|next|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|at \d|by|"
    r"before|until|and|but|because|so|or|for (?:a|the|two|three)|with|alone|yet)\b)",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:in|at|to|from|on|into|near|behind|outside|inside|room|hall|office|site|floor|building|warehouse|"
    r"depot|city|place|shop|store|school|hospital|ward|clinic|kitchen|canteen|lab|plant|factory|yard|dock|"
    r"gate|"
    r"port|airport|station|street|house|flat|hotel|venue|desk|folder|page|drive|server|channel|below|link|"
    r"attached|here|where|somewhere) ?(?!(?:site|time|case|fact|least|all|once|me|us|him|her|them|you|"
    r"monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday|\d{1,2}(?::\d\d)?(?: ?[ap]m)?\b)\b)",
    re.I,
)


def _places(read: Message) -> Iterator[Reference]:
    """There as a place, where no place stands before."""
    match = _THERE.search(read.text, read.body)
    if match is None:
        return
    at = match.start("word")
    before = _before(read, at)
    earlier = re.sub(r"\bon site $", "", read.text[read.body : at])
    earlier = re.sub(r"\b(?:from|back|over) $", "", earlier)
    if before.capitals or _PLACE.search(earlier) or re.search(r"\b(?:get|got|almost|not quite) $", earlier):
        return
    later = re.search(
        r"\b(?:in|at|to) [A-Z]|\b(?:site|office|room|hall|"
        r"building)\b",
        read.text[match.end() :],
    )
    rule = "place_unsure" if later or _strangers(before) > 4 else "place"
    yield Reference(rule, "there", 2, at, match.end("word"), match.group("word"), "where is not stated")


# One of several

_OTHER = re.compile(
    r"(?<![\w'-])the other (?P<noun>[a-z]{3,20})(?=\s*[.!?;]|\s*$|, (?!the\b|which\b|that\b|not\b|in\b|on\b|"
    r"from\b)|"
    r" (?:is|was|are|were|has|have|needs?|still|also|too|again|instead|today|tomorrow|by|before|after|until|"
    r"and|"
    r"but|because|so|if|first|please|yet|can|will|should)\b)",
    re.I,
)
_NO_OTHER = _split(
    "side hand end way night morning week people half thing time direction ones one party guys day "
    "phone line others reason question problem point two three four few evening afternoon month year things "
    "days weeks person"
)
_SEVERAL = re.compile(
    r"\b(?:one|first|both|either|two|three|several|another|some|each|all|these|those|this|options?|versions?|"
    r"[a-z]+ and [a-z]+s)\b|\b[12]\b",
    re.I,
)


def _others(read: Message) -> Iterator[Reference]:
    """The other report: one that the message does not tell apart."""
    for match in itertools.islice(_OTHER.finditer(read.text, read.body), _MOST):
        noun = match.group("noun").lower()
        if noun in _NO_OTHER:
            continue
        earlier = read.text[read.body : match.start()].lower()
        # The first of two is named before: "the report on A ... the other report".
        if _singular(noun) in earlier:
            continue
        plural = noun.endswith("s") and not noun.endswith("ss")
        gap = "which ones is not stated" if plural else "which one is not stated"
        gap = "what exactly is not stated" if noun == "stuff" else gap
        far = len(earlier) > _SHORT_TEXT
        rule = "other_unsure" if _SEVERAL.search(earlier) or plural or far else "other"
        yield Reference(rule, "other", 2, match.start(), match.end(), match.group(), gap)


_NUMBERED = (
    r"supplier|vendor|candidate|offer|option|version|proposal|quote|variant|applicant|bidder|alternative|"
    r"idea|"
    r"design|provider|contractor|draft|sample|logo|suggestion|shipment|batch"
)
_ORDINAL = re.compile(
    rf"(?<![\w'-])the (?:first|second|third|fourth|former|latter)(?: one| (?:{_NUMBERED}))(?=\s*[,.!?;]|\s*$|"
    r" (?:is|was|after|and|but|because|so|if|please|has|can't|can|will|would|should|looks|again|instead|"
    r"today|"
    r"better|more|too|for now|now|with|by|before)\b)",
    re.I,
)
_COUNTED = re.compile(
    r"\b(?:two|three|four|both|either|several|options?|between|or|one of|list|[23]|\d\))\b|\n\s*[-*\d]", re.I
)


def _ordinals(read: Message) -> Iterator[Reference]:
    """The first one: of what is not stated."""
    for match in itertools.islice(_ORDINAL.finditer(read.text, read.body), _MOST):
        earlier = read.text[read.body : match.start()]
        if _COUNTED.search(earlier):
            return
        before = _before(read, match.start())
        named = match.group().lower().endswith(" one")
        strange = _strangers(before)
        if (named and strange > 2) or (
            before.tokens[-1:] and before.tokens[-1] in {"is", "it's", "that's", "was"}
        ):
            return
        rule = "ordinal_unsure" if named and strange else "ordinal"
        yield Reference(rule, "one", 2, match.start(), match.end(), match.group(), "which one is not stated")
        return


_ONE = re.compile(
    r"(?<![\w'-])the (?:new|old|top|bottom|other|big|small|last|right|wrong|red|blue|green|latest|"
    r"previous|current|"
    r"final|good|"
    r"bad|cheap|cheaper|bigger|smaller|newer|older|long|short|longer|shorter|black|white|original|updated) "
    r"(?P<noun>ones?)(?=\s*[,.!?;]|\s*$| (?:is|was|are|were|has|for|from|not|and|but|please|instead|today|"
    r"tomorrow|before|by|because|so|if|again|first|now|too|isn't|doesn't|needs|can|will|should|until)\b)",
    re.I,
)


def _ones(read: Message) -> Iterator[Reference]:
    """The new one: where no noun before it can be meant."""
    match = _ONE.search(read.text, read.body) or _ONE_FROM.search(read.text, read.body)
    if match is None or (
        match.group().lower() == "both" and not re.match(r"\s*(?:[,.!?;]|$)", read.text[match.end() :][:3])
    ):
        return
    before = _before(read, match.start())
    strange = _strangers(before)
    if strange and _has_noun(before):
        return
    if strange > 1 or before.capitals or set(before.tokens) & {"one", "ones", "two", "both"}:
        return
    plural = (match.group("noun") or "ones").lower() == "ones"
    gap = "which ones is not stated" if plural else "which one is not stated"
    rule = "one_unsure" if strange else "one"
    yield Reference(rule, "one", 2, match.start(), match.end(), match.group(), gap)


_ONE_FROM = re.compile(
    r"(?<![\w'-])the (?P<noun>ones?) from (?:last (?:week|month|time|year|night)|yesterday|before|"
    r"this morning|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)(?=\s*[,.!?;]|\s*$| (?:is|was|are|were|and|but|please|again|"
    r"instead|not|because|so|if)\b)|(?<=take )both|(?<=need )both|(?<=want )both|(?<=do )both|(?<=send )both|"
    r"(?<=use )both",
    re.I,
)
_LAST_TIME = re.compile(
    r"(?<![\w'-])(?:the )?same as (?:last time|before|last (?:week|month|year)|the last time)"
    r"(?=\s*[,.!?;]|\s*$| (?:and|but|please|so|again)\b)",
    re.I,
)
_LIKE_LAST_TIME = re.compile(
    r"(?<![\w'-])(?:like|as) last time(?=\s*[,.!?;]|\s*$| (?:and|but|please|so|again)\b)", re.I
)


def _last_times(read: Message) -> Iterator[Reference]:
    """The same as last time: what it was then, the message does not tell."""
    for pattern in (_LAST_TIME, _LIKE_LAST_TIME):
        match = pattern.search(read.text, read.body)
        if match and re.search(
            r"\b(?:not|don't|never)\b", read.text[max(0, match.start() - 40) : match.start()], re.I
        ):
            continue
        if match and not re.search(r"\blast time\b[^.]*\b(?:was|had|did)\b", read.text[match.end() :], re.I):
            gap = "what it was then is not stated"
            gap = gap if pattern is _LAST_TIME else "how it was then is not stated"
            rule = "last_time" if pattern is _LAST_TIME else "like_last_time"
            yield Reference(rule, "last", 3, *match.span(), match.group(), gap)
            return


_OWN = re.compile(
    r"(?<![\w'-])(?:(?P<alone>(?:on|with|in|for|from|than|like|and|not|use|take|to) (?P<pronoun>his|hers|"
    r"theirs)"
    r"(?=\s*[,.!?;]|\s*$| (?:and|but|because|so|is|are|was|instead|too)\b))|"
    r"(?P<with>(?P<owner>his|her|their) (?:version|offer|list|numbers|figures|draft|report|file|part|side|"
    r"copy|"
    r"machine|laptop|room|desk|account|order|invoice|request|idea|plan|proposal|changes|comments|slides|"
    r"feedback|"
    r"email|answer|contract|documents|papers|key|keys|ticket|question|price|address|details|bill|bag|car|"
    r"appointment|approval|signature|decision)(?=\s*[,.!?;]|\s*$| (?:and|but|because|so|is|are|was|were|has|"
    r"instead|too|before|by|today|tomorrow|for|in|on|until|again|now|first|or|with|please|yet)\b)))",
    re.I,
)


def _owners(read: Message) -> Iterator[Reference]:
    """His version: whose it is, the message does not tell."""
    for match in itertools.islice(_OWN.finditer(read.text, read.body), _MOST):
        word = (match.group("pronoun") or match.group("owner")).lower()
        group = {"his": "he", "her": "she", "hers": "she"}.get(word, "they")
        start = match.start("pronoun") if match.group("pronoun") else match.start()
        before = _before(read, start)
        clear = not before.capitals and not before.persons and not _has_person(before)
        if group == "they":
            clear = clear and not _has_plural(before) and not set(before.tokens) & _words("several")
        if not clear or set(before.tokens) & set(_GROUPS) - {"it"} - (
            {"they", "them"} if group != "they" else set()
        ):
            continue
        plural = group == "they"
        if plural and _strangers(before) > 3:
            continue
        yield Reference(
            "owner", group, 2, start, match.end(), read.text[start : match.end()], "whose is not stated"
        )
        return


# Somebody

_SOMEBODY = re.compile(
    r"(?<![\w'-])(?:someone|somebody)(?: else)?(?= (?:is|was|has(?! to\b)|had(?! to\b)|took|did|came|sent|"
    r"put|used|forgot|opened|"
    r"parked|already|keeps|does|wrote|booked|entered|wants|wanted|needs|works|turned|switched)\b)",
    re.I,
)
_MAYBE = re.compile(
    r"\b(?:if|unless|whenever|when|until|in case|make sure|whether|that|so|check|does|has|is|did|was|till|"
    r"once|before|after|maybe|like|because|only|how|who|want|need) $",
    re.I,
)
_EVENTS = re.compile(r" (?:wants|needs) to\b", re.I)


def _somebody(read: Message) -> Iterator[Reference]:
    """Someone who did something, in a statement."""
    match = _SOMEBODY.search(read.text, read.body)
    if (
        match is None
        or len(read.text) > _SHORT_TEXT
        or _MAYBE.search(read.text[max(0, match.start() - 12) : match.start()])
    ):
        return
    item = read.sentence(match.start())
    if "?" in read.text[item.stop : item.end] or _EVENTS.match(read.text, match.end()):
        return
    if re.search(
        r"\b(?:if|unless|until|when|whenever|before|in case)\b", read.text[item.start : match.start()], re.I
    ):
        return
    yield Reference("somebody", "someone", 3, *match.span(), match.group(), "who is not stated")


_PEOPLE = re.compile(
    r"(?<![\w'-])(?:people(?= (?:are (?:not happy|unhappy|not pleased|angry|annoyed|confused|worried|"
    r"frustrated|"
    r"waiting|getting|starting to|beginning to|upset|leaving|already)|were (?:not happy|unhappy|angry|"
    r"confused|"
    r"annoyed)|aren't (?:happy|pleased)|weren't (?:happy|pleased)|don't like|didn't like|got confused|"
    r"noticed|"
    r"started)\b)|the new people(?=\s*[,.!?;]|\s*$| (?:where|when|how|that|about|are|were|and|on|to)\b))",
    re.I,
)


def _people(read: Message) -> Iterator[Reference]:
    """People who are unhappy, where the message does not tell who they are."""
    match = _PEOPLE.search(read.text, read.body)
    if match is None:
        return
    near = read.text[max(0, match.start() - 14) : match.start()].rstrip()
    alone = match.group().lower() == "people"
    if (
        alone
        and near
        and not re.search(r"(?:[,.;!?:]|\b(?:and|but|because|since|as|so|that|now|think))$", near)
    ):
        return
    if re.search(r"\b(?:if|unless|when|whenever)\b", near, re.I):
        return
    rule = "people" if alone else "new_people"
    yield Reference(rule, "people", 3, *match.span(), match.group(), "who is not stated")


_MATTER = re.compile(
    r"(?<![\w'-])(?P<words>(?:the|that|"
    r"this) (?P<first>[a-z-]{3,20}) (?P<second>[a-z-]{3,20})) thing(?=\s*[,.!?;]|\s*$|"
    r" (?:is|was|again|at|from|on|by|before|today|tomorrow|and|but|because|so|needs|has|still|for|soon|with|"
    r"this|"
    r"next|last|first|if|sometime|some|please|asap|yet|now|tonight)\b)",
    re.I,
)
_DONE_THING = re.compile(
    r"\b(?:do|does|did|done|doing) (?P<words>the [a-z-]{3,20}(?: [a-z-]{3,20})? thing)(?=\s*[,.!?;]|\s*$|"
    r" (?:anymore|"
    r"any more|for|again|now|today|this|with|and|but)\b)",
    re.I,
)
_HANDED = re.compile(
    r"(?<![\w'-])the thing (?P<rest>(?:i|we|you|he|she|they) (?:sent|gave|told|showed|lent|asked|promised) "
    r"(?:you|me|us|him|her|them))(?=\s*[,.!?;]|\s*$| (?:on|last|yesterday|before|this|by|and|today)\b)",
    re.I,
)
_NO_MATTER = _split(
    "one only best worst same right wrong other first last next real important main whole good bad big new "
    "old funny strange weird great most least little small very single usual second third nice sure"
)


def _matters(read: Message) -> Iterator[Reference]:
    """The late shift thing: a matter that is only hinted at."""
    match = _MATTER.search(read.text, read.body)
    handed = _HANDED.search(read.text, read.body)
    done = _DONE_THING.search(read.text, read.body)
    gap = "what exactly is not stated"
    if handed:
        plain = f"what {handed.group('rest')}"
        yield Reference("matter", "matter", 3, *handed.span(), plain, gap)
        return
    if done:
        words = done.group("words").lower().split()[1:-1]
        if not set(words) & _NO_MATTER:
            yield Reference("matter", "matter", 3, *done.span("words"), done.group("words"), gap)
        return
    if match and not {match.group("first").lower(), match.group("second").lower()} & _NO_MATTER:
        plain = f"{match.group('words')} matter"
        yield Reference("matter", "matter", 3, *match.span(), plain, gap)


# Who acts

_TO_DO = re.compile(
    r"(?<![\w'-])(?:(?:it|this|that|they|these|those|one of them|both|(?:the|that|this|my|"
    r"our) [a-z-]+(?: [a-z-]+)?) "
    r"(?:still )?(?:needs?|has|have) to (?:go back|go out|go away|go|move|come (?:out|off|back)|"
    r"be (?!in\b|at\b|"
    r"on\b|a\b|the\b|able\b|careful\b|there\b|ready\b|better\b)[a-z]+(?:ed|ne|nt|wn|de)))\b",
    re.I,
)
_ACTOR = re.compile(
    r"\b(?:i'll|i will|i can|i'm|we'll|we will|you|your|let me|please|will|by [A-Z]|someone|somebody|who|"
    r"can(?!'t)|could|"
    r"would|if|unless|not|don't|never|no longer|let's|must)\b",
    re.I,
)
_WHO_ACTS = (
    "(Who does this is not stated.)",
    "Who does this is not stated.",
    "Who does this is not stated. Who can take it on?",
)


def _who_acts(read: Message) -> Iterator[Edit]:
    """Something that has to happen, with no one who does it."""
    if len(read.text) > _SHORT_TEXT:
        return
    item = next((item for item in read.sentences[:_MOST] if _TO_DO.search(read.words(item))), None)
    if item is None or "?" in read.text[item.stop : item.end]:
        return
    match = _TO_DO.search(read.words(item))
    at = item.start + match.start() if match else item.start
    rest = read.text[at : at + 400]
    if _ACTOR.search(rest) or re.search(
        r"\b(?:if|unless|i'll|i will|you)\b", read.text[read.body : at], re.I
    ):
        return
    end = _last(read)
    mark = read.text[end.stop : end.end]
    mark = mark if mark.strip() else missing_mark(read.words(end))
    for level, text in enumerate(_WHO_ACTS, start=1):
        yield Edit("clarify.ref_who_acts", level, (Change(end.stop, end.end, f"{mark} {text}"),))


def _last(read: Message) -> Sentence:
    """The last sentence before the thanks and the signature."""
    body = [item for item in read.sentences if not is_closing(read.words(item))] or read.sentences
    return body[-1]
