"""Sentences and ends of sentences that may only hurt: each is proposed for deletion.

Sarcasm has no fixed words, so nothing here decides what hurts. What carries a fact, an order or a request is
not proposed; of the rest the tagger reads each place and decides. Without labels of these rules nothing is
deleted, since their names end in `_unsure`.
"""

import re
from itertools import islice

from data.redaction import names
from models.edits.script import Change, Edit
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence, is_item, is_quoted
from models.edits.soften.imperatives import find_order

SENTENCE = "sting_sentence_unsure"
END = "sting_end_unsure"
_LEVEL = 2  # of irony; an insult goes from level 1 on

_REQUEST = re.compile(
    r"\b(?:(?<!oh )(?:please|pls|plz)|could (?:you|we|somebody|someone|anybody|anyone)|can (?:we|somebody|someone|"
    r"anybody|anyone)|would you|let me know|tell (?:me|us)|by then|from now on|deadline|now you can|"
    r"you can (?:call|phone|tell|explain|write|ask|clean|pay)|(?:i|we)(?:'d| would) (?:love|like|suggest|rather)|"
    r"(?:i|we) (?:need|want|expect|ask|suggest|propose|think|hope to)|would be (?:nice|good|great|better|helpful)|should|"
    r"perhaps|never,? ever|mustn't|must not|nobody goes|(?:you|we|they|everyone|everybody|someone|somebody|it|this|that|"
    r"he|she) (?:needs? to|ha(?:ve|s) to|must(?! (?:be|have|think)\b)))\b(?! (?:crawl|cry|scream|laugh)\b)",
    re.I,
)
# What a message refuses, answers, announces or thanks for is no jab.
_SPEAKS_PLAINLY = re.compile(
    r"(?:(?:i|we)(?:'m| am|'re| are|m) not [a-z]+ing|(?:i|we) (?:won't|will not|can't|cannot|wont|cant|had to|have)|hi|hello|"
    r"hey|dear|update|fyi|just (?:following|to let|checking|a)|thanks?|thx|welcome|quick)\b(?! nothing| finally| for nothing)"
    r"|(?:absolutely not|no|yes|again|never|yours|mine|me|us|none|nothing|nobody|and)$",
    re.I,
)
# An end that starts so mostly tells what else happened.
_PLAIN_END = re.compile(
    r"(?:and |but |or |so )?(?:(?:i|we)(?: |')(?!don't care|dont care|mean it|assume|suppose|guess|must say|hope|m told)|it |its |"
    r"it's |he |she |they |the |an? |my |our |his |her |their |now |some|everyone |everybody |please|not (?!that )|neither |no "
    r"|none |with |to |for |in |at |on |mostly |especially |also |if |when |until |unless |before |after|by |from |there|half |"
    r"all |both |one |two |three )",
    re.I,
)
_NUMBER = re.compile(r"\d|[@#/_]|\b(?:https?|www)\b")
_INSULT = re.compile(
    r"\b(?:idiots?|idiotic|morons?|moronic|stupid|stupidity|dumb|fools?|foolish|clowns?|amateurs?|amateurish|lazy|"
    r"pathetic|incompetent|incompetence|useless|brains?|brainless|clueless|child|children|kids?|toddlers?|monkeys?|"
    r"babies|circus|zoo|joke|shame|ashamed|disgrace|disgraceful|embarrassing|hell|damn|bloody|crap|bullshit|shit|"
    r"fuck\w*|arse|ass|wtf|ffs)\b",
    re.I,
)
# Where the end of a sentence may be cut off.
_JOINT = re.compile(
    r"(?:,| -+| –| —|;|:|\.\.\.)(?: (?:and|but|or|so|which|who|as|like|if))?(?= )(?! because\b)"
    r"|,? (?=(?:and|but|or|as if|as though|like|which) |because (?:you\b|of you\b|apparently|obviously|clearly|of course|why|who))",
    re.I,
)
_ASKS = re.compile(
    r"(?:and |so |but )?(?:why|what|who|whose|how|when|where|which|is|are|was|were|do|does|did|have|has|had|can|could|"
    r"will|would|should|am|isn't|aren't|don't|doesn't|didn't|haven't|hasn't|can't|couldn't|won't)\b",
    re.I,
)
_ANSWER = re.compile(r"[\w'’]+(?: [\w'’]+)?[.!?]")
_ADDRESS = re.compile(r", [A-ZÀ-Ž][\w'’-]+$")  # "I have no words, Marek."
_WORD = re.compile(r"[\w'’-]+")
_LEAST_KEPT = 3  # words in front of an end that is cut off
_LEAST_CUT = 2  # words of an end
_MOST_CUT = 16
_MOST_WORDS = 30  # of a sentence that is proposed whole
_MOST_SENTENCES = 40  # of a message in which anything is proposed; each is compared with all facts
_MOST_JOINTS = 8  # of a sentence are tried


def propose_stings(draft: Draft) -> None:
    """Adds the deletion of each sentence, and of each end of a sentence, that carries nothing needed."""
    if len(draft.sentences) > _MOST_SENTENCES:
        return
    whole = [sentence for sentence in draft.sentences if _may_go(draft, sentence)]
    if len(whole) == len(draft.sentences) and whole:
        whole.remove(max(whole, key=lambda sentence: sentence.end - sentence.start))
    has_mild = any(edit.level == 1 and not edit.rule.endswith("marks") for edit in draft.edits)
    for sentence in draft.sentences:
        if is_quoted(draft, sentence) or is_item(draft, sentence):
            continue
        if sentence in whole:
            _propose_whole(draft, sentence, has_mild)
        _propose_ends(draft, sentence, has_mild)


def _may_go(draft: Draft, sentence: Sentence) -> bool:
    """Whether a sentence has no fact, order or request, so that nothing needed is lost with it."""
    text = draft.text(sentence)
    if is_quoted(draft, sentence) or is_item(draft, sentence) or len(text.split()) > _MOST_WORDS:
        return False
    if _SPEAKS_PLAINLY.match(text) or _is_answered(draft, sentence):
        return False
    # A verdict such as "this is useless" becomes a milder one instead.
    if any(
        edit.rule == "soften.predicate" and sentence.start <= edit.start < sentence.end for edit in draft.edits
    ):
        return False
    address = _ADDRESS.search(text)
    end = sentence.start + address.start() if address else sentence.end
    return not _is_needed(draft, sentence.start, end) and not _is_order(draft, sentence)


def _is_answered(draft: Draft, sentence: Sentence) -> bool:
    """Whether a question is answered by a word or two: "Whose job is that? Yours."."""
    if "?" not in draft.mark(sentence):
        return False
    following = draft.message[sentence.stop : sentence.stop + 24].lstrip(" ")
    return _ANSWER.match(following) is not None


def _is_order(draft: Draft, sentence: Sentence) -> bool:
    if "?" in draft.mark(sentence) and _ASKS.match(draft.text(sentence)):
        return False
    return find_order(draft, sentence, lead_end(draft, sentence)) is not None


def _is_needed(draft: Draft, start: int, end: int) -> bool:
    """Whether words have a fact, a number or a request."""
    text = draft.message[start:end]
    return (
        any(start < b and a < end for a, b in draft.facts)
        or _NUMBER.search(text) is not None
        or _REQUEST.search(text) is not None
    )


def _gap(draft: Draft, sentence: Sentence) -> Change:
    """The deletion of a sentence with the space in front of it."""
    start = sentence.start
    while start and draft.message[start - 1] == " ":
        start -= 1
    return Change(start, sentence.stop, "")


def _propose_whole(draft: Draft, sentence: Sentence, has_mild: bool) -> None:
    """The deletion of a sentence; the name that it addresses joins the sentence next to it."""
    index = draft.sentences.index(sentence)
    address = _ADDRESS.search(draft.text(sentence))
    changes: tuple[Change, ...] = (_gap(draft, sentence),)
    if address and index:
        previous = draft.sentences[index - 1]
        name = Change(previous.end, previous.end, address.group())
        changes = (name, Change(previous.stop, sentence.stop, ""))
    elif address and len(draft.sentences) > 1:
        following = draft.sentences[1].start
        word = _WORD.match(draft.message, following)
        if not word:
            return
        kept = word.group() if word.group()[:1] == "I" or names.find(word.group()) else word.group().lower()
        name = address.group()[2:]
        changes = (Change(sentence.start, word.end(), f"{name}, {kept}"),)
    _propose(draft, SENTENCE, has_mild, changes)
    # A question that only accuses wants a remedy, and without another request nothing would ask for it.
    has_request = draft.has_order or _REQUEST.search(draft.message) or draft.message.count("?") > 1
    if "?" in draft.mark(sentence) and sentence is draft.sentences[-1] and index and not has_request:
        name = address.group() if address else ""
        ask = draft.cap(f"could you please look into it{name}?")
        draft.edits.append(Edit(f"soften.{SENTENCE}", 3, (Change(sentence.start, sentence.stop, ask),)))
        draft.edits = [edit for edit in draft.edits if edit != Edit(f"soften.{SENTENCE}", 3, changes)]


def _propose_ends(draft: Draft, sentence: Sentence, has_mild: bool) -> None:
    text = draft.text(sentence)
    for match in islice(_JOINT.finditer(text), _MOST_JOINTS):
        kept, cut = text[: match.start()], text[match.end() :].strip()
        words = cut.split()
        if len(kept.split()) < _LEAST_KEPT or not _LEAST_CUT <= len(words) <= _MOST_CUT:
            continue
        at = sentence.start + match.start()
        if kept.count("(") != kept.count(")") or kept.count('"') % 2 or _is_needed(draft, at, sentence.end):
            continue
        if _PLAIN_END.match(cut) or find_order(draft, sentence, sentence.start + match.end() + 1):
            continue
        mark = draft.mark(sentence)
        changes = [Change(at, sentence.end, "")]
        if "?" in mark and not _ASKS.match(kept):
            changes = [Change(at, sentence.stop, "." + draft.closing(sentence))]
        _propose(draft, END, has_mild, tuple(changes))


def _propose(draft: Draft, rule: str, has_mild: bool, changes: tuple[Change, ...]) -> None:
    """Adds a deletion at each of its levels, so that at none a hedge in the same place wins over it."""
    words = draft.message[changes[0].start : changes[-1].end]
    lowest = 1 if _INSULT.search(words) or not has_mild else _LEVEL
    draft.edits += [Edit(f"soften.{rule}", level, changes) for level in range(lowest, 4)]
