"""Proposes explanations of terms: a gloss in brackets after the first use of a term in a message."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from models import facts
from models.edits import glossary
from models.edits.glossary import Entry
from models.edits.script import Change, Edit

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NEXT = re.compile(r"[ \t]+[\w'’]+")
_CUE = re.compile(r"[^\W_][^\s,.;:!?()\"“”]*")

# Places that are no running text: quotations, brackets, code, paths and names of files.
_CLOSED = re.compile(
    r"```[^`]*(?:```|$)|`[^`\n]*`|\([^()]*\)|\[[^\[\]]*\]|\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]{1,80}'(?!\w)"
    r"|(?<!\S)[^\s()\[\]]{0,200}[/\\][^\s()\[\]/\\]{1,200}[/\\]\S{0,200}|\b[\w-]{1,80}\.[a-z][a-z0-9]{1,4}\b(?!\.)"
)
_KINDS_WITHOUT_TERMS = frozenset({"url", "email", "channel", "identifier", "version"})

# What follows or precedes a term that the message explains by itself.
_EXPLAINED_AFTER = re.compile(
    r"\s*(?:[(\[=“\"]"
    r"|,?\s?(?:i\.\s?e\.?|that is|meaning|which means|which is|which are|also known as|also called|aka"
    r"|a\.k\.a|short for|stands? for|means?)\b"
    r"|,\s(?:or|who|whose|where)\s"
    r"|,\san?\s[^,.;:!?\n]{3,80}[,.!?]|,\s(?:our|your|the|one)(?:\s[^\s,.;:!?]{1,30}){1,5},"
    r"|\s?[-–—]\s?(?:an?|the|our|your|i\.e|that is|meaning|so)\b|:\s(?:an?|the|our)\s)",
    re.IGNORECASE,
)
_EXPLAINED_BEFORE = re.compile(
    r"(?:so-called|called|known as|stands? for|(?:what|define|explain)(?: an?| the| is| are)*)\s$",
    re.IGNORECASE,
)

_NUMBER = re.compile(
    r"[ -](?:(?:no\.? ?|nr\.? ?)?#?\d[\w./-]*(?<![./-])|#?[B-HJ-Z]{1,4}-?\d[\w-]*|[B-HJ-Z](?!\w))"
)


def _words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_DETERMINERS = _words(
    "the a an this that these those my your our his her its their no any some every each which what"
)
_PRONOUNS = _words("it them him us me you everything everyone all both whatever anything something")
_ORDERS = _words("first onto")  # "Rebase onto main" is an order without an object
# After a noun that starts a sentence; "Switch to the other one" starts with a verb.
_AFTER_SUBJECTS = _words("""
    is was are were has had will would can could must may should isn't wasn't hasn't won't doesn't
    didn't looks seems needs failed fails works worked starts started ends ended takes took went goes
    got keeps kept stays runs ran dropped jumped rose fell of
""")
_SUBJECTS = _words("we i you he she they it who and have has had i've we've they've you've already just not")
# After these words a base form is a verb: "to deploy", "please deploy".
_BEFORE_VERBS = _words("""
    to please pls can could will would should must may might shall don't dont doesn't didn't can't won't
    not you we i they let's lets just cannot and then or never always ll we'll i'll you'll they'll kindly
    also help did does do wouldn't couldn't shouldn't i'd we'd you'd they'd he'll she'll it'll
""")
_BEFORE_NOUNS = _DETERMINERS | _words("""
    of for in on with by from as new next last first old current latest full one another after before
    during without about per via under over into at between more clean single own whole same
    missing is failed hard quick small big final second main several two three four five six many few bad
    good was are were production prod weekly daily monthly
""")
# After these words a noun has ended, so that its gloss may stand before them.
_SAFE_NEXT = _words("""
    a about above after again against all already also always am an and any anymore are aren't around as
    at because been before being below between both but by can can't cannot could couldn't did didn't do
    does doesn't don't down due during each either ends ended even ever every except failed fails first
    for from goes got had has hasn't have haven't he her here him his how i if in instead into is isn't it
    its just last later like looks may me means might must my need needs neither never next no nor not now
    of off on once one only or our out over per please plus rather says seems shall she should shows since
    so some soon starts started still takes than that that's the their them then there these they this
    those though through till to today together tomorrow tonight too two under unless until up us via was
    wasn't we went were weren't what when where whether which while who whose why will with within without
    won't would yes yesterday yet you your monday tuesday wednesday thursday friday saturday sunday
    dropped jumped rose fell ran broke breaks came comes gets expires expired works worked runs keeps kept
    stays stopped stops changed changes happened happens applies apply covers requires wants asked asks
    sent sends finished said lands landed slipped slips lasts took makes made gives gave exists left
    becomes became belongs shouldn't wouldn't hits hit hangs hung crashes crashed triggers increased
    decreased doubled expected properly immediately directly manually ourselves yourself themselves almost
    nearly roughly exactly earlier sooner twice otherwise afterwards anyway accordingly overnight quite
    maxes trips rejected stuck there's closes closed lifts opens opened meets reboots blocked blocks
    showed brings brought cost costs needed improves
""")
# The last word of a compound, after which the gloss of its first word goes: "backlog items (backlog: ...)".
_HEADS = _words("""
    plan plans item items list lists meeting meetings process processes job jobs file files dashboard
    dashboards risk risks date dates time times team teams page pages form problem problems issue issues
    error step steps script scripts server servers system systems tool tools policy policies rule rules
    agreement agreements contract contracts clause clauses account accounts document documents data note
    notes code letter letters session sessions training course courses period manager managers owner
    owners level levels fee fees value values status setting settings ticket tickets version versions
    survey surveys analysis workshop workshops phase phases window windows board boards entry entries
    figure figures setup service services provider providers template templates email emails link group
    groups budget budgets model models channel channels schedule calendar section chart charts sheet
    sheets table tables query queries field fields key keys id ids certificate certificates label labels
    case cases vendor vendors supplier suppliers customer customers user users app apps interview
    interviews candidate candidates checklist guide guidelines programme programs project projects task
    tasks rota deadline environment environments instance instances alert alerts warning warnings folder
    folders engineer engineers specialist department office room rooms software machine machines report
    reports test tests check checks request requests review reviews
""")


class _Place(NamedTuple):
    """A term in a message: what it is, where it stands, and where its gloss goes."""

    entry: Entry
    form: int
    start: int
    end: int
    at: int
    rule: str
    label: str


def propose(message: str, own_terms: Mapping[str, str] | None = None) -> list[Edit]:
    """Glosses for the terms of a message: level 1 for the most specialised ones, 2 for all, 3 fuller ones.

    `own_terms` maps terms of the message's organisation to their glosses. They are explained at every level
    and win over the glossary.
    """
    scan = _Scan(message)
    own = list(_own_places(scan, own_terms or {}))
    edits = [Edit("terminology.own", 1, (Change(at, at, f" ({gloss})"),)) for at, gloss in own]
    places = _places(scan)
    if not places:
        return sorted(edits, key=lambda edit: edit.start)
    ranked = sorted(places, key=lambda place: (-place.entry.specialised, place.start))
    at_once = 1 if len(places) < 3 else 2
    for rank, place in enumerate(ranked):
        entry = place.entry
        short, fuller = entry.named(entry.short, place.form), entry.named(entry.fuller, place.form)
        rest = entry.gloss(entry.fuller, place.form)
        joined = f"{short}: {rest}" if "e" in entry.kind else f"{short}, that is, {rest}"
        if len(places) > 1:
            glosses = [(1 if rank < at_once else 2, short), (3, joined if "e" in entry.kind else fuller)]
        elif _repeats(short, fuller):
            glosses = [(1, short), (3, fuller)]
        else:
            glosses = [(1, short), (2, fuller), (3, joined)]
        edits += [
            Edit(place.rule, level, (Change(place.at, place.at, f" ({place.label}{gloss})"),))
            for level, gloss in glosses
        ]
    return sorted(edits, key=lambda edit: (edit.start, edit.level))


def _repeats(short: str, fuller: str) -> bool:
    """Whether a fuller gloss has so many words of the short one that both together would sound silly."""
    words = [word for word in _WORD.findall(fuller.lower()) if len(word) > 3]
    known = set(_WORD.findall(short.lower()))
    return sum(word in known or word.rstrip("s") in known for word in words) * 2 >= len(words)


class _Scan:
    """A message with what all terms ask about it: its words, and the places in which no term is explained."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.flat = message.replace("-", " ").replace("\u2011", " ")
        self.lowered = self.flat.replace("İ", "I").lower()
        self.words = _message_words(self.lowered, message)
        letters = sum(character.isalpha() for character in message)
        self.shouted = letters > 12 and sum(character.isupper() for character in message) > letters * 0.6
        self.closed = bytearray(len(message) + 1)
        for match in _CLOSED.finditer(message):
            self.closed[match.start() : match.end()] = b"\1" * (match.end() - match.start())
        self.inside = bytearray(len(message) + 1)  # an insertion here would part a fact
        for kind, start, end in facts.spans(message):
            self.inside[start + 1 : end] = b"\1" * max(end - start - 1, 0)
            if kind in _KINDS_WITHOUT_TERMS:
                self.closed[start:end] = b"\1" * (end - start)

    def is_whole(self, start: int, end: int) -> bool:
        """Whether a term stands alone: it is no part of a longer word, id, path, sign or possessive."""
        text = self.message
        before = text[start - 1] if start else " "
        after = text[end] if end < len(text) else " "
        if before.isalnum() or before in "_/\\-.@#&$'’+~*=‑<":
            return False
        if after.isalnum() or after in "_/\\-@&'’+~*=‑%":
            return False
        return not (after in ".:" and end + 1 < len(text) and text[end + 1].isalnum())

    def before(self, start: int) -> str:
        """The word before a place in the same sentence, in lower case; "" at the start of a sentence."""
        head = self.message[max(start - 40, 0) : start].rstrip(" \t")
        match = re.search(r"[\w'’]+$", head)
        return match.group().lower().replace("’", "'") if match else ""

    def opens(self, start: int) -> bool:
        """Whether a sentence, a line or a list item starts here."""
        head = self.message[max(start - 40, 0) : start].rstrip(" \t")
        return not head or head[-1] in ".!?:\n-–*•"

    def after(self, end: int) -> str:
        """The word right after a place, in lower case; "" where punctuation or the end follows."""
        match = re.match(r"[ \t]+([\w'’]+)", self.message[end : end + 40])
        return match.group(1).lower().replace("’", "'") if match else ""


def _message_words(lowered: str, message: str) -> frozenset[str]:
    """The words of a message, also without their endings, against which cues are compared."""
    words = set()
    for text in (lowered, message.lower()):
        for match in _CUE.finditer(text):
            word = match.group().rstrip("'’-/")
            words.add(word)
            if word.endswith(("'s", "’s")):
                words.add(word[:-2])
            for ending in ("s", "es", "ed", "d", "ing"):
                if word.endswith(ending) and len(word) > len(ending) + 2:
                    words.add(word[: -len(ending)])
    return frozenset(words)


def _places(scan: _Scan) -> list[_Place]:
    """The terms of a message that are explained, each at its first suitable place, in order."""
    index = glossary.index()
    found: dict[tuple[int, int], list[tuple[Entry, int]]] = {}
    end_of_last = 0
    for match in glossary.RUN.finditer(scan.lowered):
        start = match.start()
        if start < end_of_last:
            continue
        for term, entry_forms in index.get(match.group(), ()):
            text = scan.flat if term != term.lower() else scan.lowered
            end = start + len(term)
            if text.startswith(term, start) and scan.is_whole(start, _with_number(scan, entry_forms, end)):
                found[(start, end)] = entry_forms
                end_of_last = end
                break
    fields: dict[str, set[int]] = {}
    for entry_forms in found.values():
        for entry, _ in entry_forms:
            if not entry.needs and "?" not in entry.kind:
                fields.setdefault(entry.field, set()).add(entry.order)
    places: list[_Place] = []
    explained: set[int] = set()
    stems: set[str] = set()
    for (start, end), entry_forms in found.items():
        sense = _sense(scan, entry_forms, fields, start, end)
        if sense is None or sense[0].order in explained:
            continue
        entry, form = sense
        stem = entry.terms[0][0].lower()[:6]
        if stem in stems and len(stem) == 6:
            continue
        if _explains_itself(scan, entry, start, end):
            explained.add(entry.order)
            continue
        place = _place(scan, entry, form, start, end)
        if place is not None:
            places.append(place)
            explained.add(entry.order)
            stems.add(stem)
    return places


def _with_number(scan: _Scan, entry_forms: list[tuple[Entry, int]], end: int) -> int:
    """The end of a term with the number that belongs to it, as in "PO 4711" or "CVE-2031-1188"."""
    if any("#" in entry.kind for entry, _ in entry_forms):
        match = _NUMBER.match(scan.message, end)
        if match:
            return match.end()
    return end


def _sense(
    scan: _Scan, entry_forms: list[tuple[Entry, int]], fields: Mapping[str, set[int]], start: int, end: int
) -> tuple[Entry, int] | None:
    """The entry that the words of the message speak for; None if none or two do equally.

    Of two entries with as many cues, the one whose field has more other terms in the message wins.
    """
    best, best_weight, tied = None, (-1, 0), False
    for entry, form in entry_forms:
        if entry.never & scan.words or not _stands_right(scan, entry, form, start, end):
            continue
        cues = 0
        others = len(fields.get(entry.field, set()) - {entry.order})
        if entry.needs:
            cues = len(entry.needs & scan.words)
            # Two letters have too many senses to be known by their field alone.
            if (
                "?" in entry.kind
                and entry.name != entry.name.lower()
                and (cues or not re.fullmatch(r"[A-Z]{2}", entry.name))
            ):
                cues += others
            if not cues:
                continue
        if not others and cues < 2 and _is_elsewhere(entry, fields):
            continue
        weight = (cues, others)
        if weight > best_weight:
            best, best_weight, tied = (entry, form), weight, False
        elif weight == best_weight and best is not None and best[0].field != entry.field:
            tied = True
    return None if tied else best


def _is_elsewhere(entry: Entry, fields: Mapping[str, set[int]]) -> bool:
    """Whether an abbreviation, or a term that needs a cue, stands in a message of another field.

    "Commit" next to two terms of sales is not that of software.
    """
    strangers = max((len(orders) for field, orders in fields.items() if field != entry.field), default=0)
    is_abbreviation = entry.name == entry.name.upper() and entry.specialised == 3
    return strangers >= 2 and bool(entry.needs or is_abbreviation)


def _stands_right(scan: _Scan, entry: Entry, form: int, start: int, end: int) -> bool:
    """Whether a word that may be a noun or a verb stands where its entry's kind can stand."""
    text = scan.message[start:end]
    if text != text.lower() and entry.terms[0][0] == entry.terms[0][0].lower():
        opens = scan.opens(start)
        if not opens and not text.isupper() and " " not in text:
            return False  # a capitalised word inside a sentence is mostly a name
    before, after = scan.before(start), scan.after(end)
    if "v" in entry.kind:
        if form == 0:
            is_order = (scan.opens(start) or not before) and (
                after in _DETERMINERS or after in _PRONOUNS or after in _ORDERS
            )
            return (
                before in _BEFORE_VERBS or is_order or ("f" in entry.kind and before not in _DETERMINERS)
            ) and after not in ("of", "is", "was", "has")
        if form == 1 and "o" in entry.kind:
            return before in _SUBJECTS
        return form < 3 and (form == 1 or before not in _DETERMINERS)
    if " " in text and text.replace(" ", "-").lower() in entry.hyphenated:
        return False
    if "d" in entry.kind:
        if after in _DETERMINERS or after in _PRONOUNS:
            return before in _DETERMINERS
        if not form and before in _BEFORE_VERBS and before not in _BEFORE_NOUNS:
            return False
        return not scan.opens(start) or bool(form) or after in _AFTER_SUBJECTS or after[:1].isdigit()
    return True


def _explains_itself(scan: _Scan, entry: Entry, start: int, end: int) -> bool:
    """Whether the message says by itself what a term means, or asks it."""
    message = scan.message
    if _EXPLAINED_AFTER.match(message, end) or _EXPLAINED_BEFORE.search(message, max(start - 40, 0), start):
        return True
    if message[start - 1 : start] == "(" and message[end : end + 1] == ")":
        return True
    gloss = [word for word in _WORD.findall(entry.gloss(entry.short, 0).lower()) if len(word) > 3]
    own = set(_WORD.findall(message[start:end].lower()))
    gloss = [word for word in gloss if word not in own]
    return len(gloss) > 1 and all(word in scan.words or word.rstrip("s") in scan.words for word in gloss)


def _place(scan: _Scan, entry: Entry, form: int, start: int, end: int) -> _Place | None:
    """Where the gloss of a term goes; None where it would stand in a quotation, a name or an id."""
    label = ""
    term = scan.message[start:end]
    at = _with_number(scan, [(entry, form)], end)
    if any(scan.closed[start:at]):
        return None
    is_abbreviation = any(character.isupper() or character.isdigit() for character in entry.terms[0][0])
    if is_abbreviation and scan.shouted:
        return None
    after = scan.after(at)
    rule = _rule(entry, is_abbreviation)
    if after and after not in _SAFE_NEXT and not after[0].isdigit() and at == end:
        if after in _HEADS and not is_abbreviation and "v" not in entry.kind and "a" not in entry.kind:
            head = _NEXT.match(scan.message, end)
            assert head is not None
            beyond = scan.after(head.end())
            if (beyond and beyond not in _SAFE_NEXT) or not scan.is_whole(start, head.end()):
                return None
            at, label, rule = (
                head.end(),
                f"{term[:1].lower() if not term.isupper() else term[:1]}{term[1:]}: ",
                "terminology.compound",
            )
        elif "v" not in entry.kind and "a" not in entry.kind:
            rule = "terminology.inside_abbreviation" if is_abbreviation else "terminology.inside"
    if scan.inside[at]:
        return None
    return _Place(entry, form, start, end, at, rule, label)


def _rule(entry: Entry, is_abbreviation: bool) -> str:
    """The kind of edit: how a term shows its sense, and what kind of word it is."""
    if "v" in entry.kind:
        return "terminology.verb"
    if "?" in entry.kind:
        return "terminology.sense"
    if is_abbreviation:
        return "terminology.abbreviation"
    if "a" in entry.kind:
        return "terminology.adjective"
    if entry.needs:
        return "terminology.context"
    return "terminology.everyday" if entry.specialised == 1 else "terminology.noun"


def _own_places(scan: _Scan, own_terms: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Where the organisation's own terms are first used, with their glosses; marks them as closed."""
    for term in sorted(own_terms, key=len, reverse=True):
        gloss = own_terms[term].strip()
        pattern = re.escape(term.strip())
        if not gloss or not pattern:
            continue
        flags = re.IGNORECASE if term == term.lower() else 0
        is_done = False
        for match in re.finditer(pattern + "(?:s(?![^\\W_]))?", scan.message, flags):
            start, end = match.span()
            if not scan.is_whole(start, end) or any(scan.closed[start:end]):
                continue
            scan.closed[start:end] = b"\1" * (end - start)
            if not is_done and not _EXPLAINED_AFTER.match(scan.message, end) and not scan.inside[end]:
                yield end, gloss
            is_done = True
