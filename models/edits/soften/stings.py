"""Sentences and ends of sentences that may only hurt: each is proposed for deletion.

Sarcasm has no fixed words, so nothing here decides what hurts. What carries a fact, an order or a request is
not proposed; of the rest the tagger reads each place and decides. Nothing is deleted without its verdict,
since the names of the two rules end in `_unsure`.
"""

import re
from itertools import islice

from data.redaction import names
from models.edits.script import Change, Edit
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence, is_item, is_quoted
from models.edits.soften.imperatives import find_order

_WHOLE = "soften.sting_sentence_unsure"
_END = "soften.sting_end_unsure"
_LEVEL = 2  # of irony; an insult goes from level 1 on

_REQUEST = re.compile(
    r"\b(?:(?<!oh )(?<!you )please|(?:don't|do not) even (?:think|dream)|pls|plz|"
    r"(?:can|could) (?:we|somebody|someone|anybody|anyone)|could you|"
    r"can you (?!(?:even|not|believe|imagine|read|count|hear)\b)|may (?:i|we)|would (?:that|this|it|your)|"
    r"do we (?:have|know)|(?:somebody|someone) tell|any (?:news|ideas|thoughts)|would you|"
    r"let me know|tell (?:me|us)|by then|from now on|deadline|"
    r"now you can|nobody goes|never,? ever|perhaps(?! i\b)|mustn't|must not|should|"
    r"you can (?:call|phone|tell|explain|write|ask|clean|pay)|(?:i|we)(?:'d| would) (?:love|like|suggest|"
    r"rather)|(?:i|we) (?:need|want|expect|ask|suggest|propose|think|hope to)|"
    r"would be (?:nice|good|great|better|helpful)|(?:you|we|they|everyone|everybody|someone|somebody|it|this|"
    r"that|he|she) (?:needs? to|ha(?:ve|s) to|must(?! (?:be|have|think)\b)))\b"
    r"(?! (?:crawl|cry|scream|laugh)\b)",
    re.I,
)
_NUMBER = re.compile(r"\d|[@#/_]|\b(?:https?|www)\b")
# What a message refuses, answers, announces or thanks for is no jab.
_PLAIN = re.compile(
    r"(?:(?:i|we)(?:'m| am|'re| are|m) not [a-z]+ing|(?:i|we) (?:won't|will not|can't|cannot|wont|cant|"
    r"had to)|(?:as usual,? )?(?:nobody|no one) (?:has |had )?(?:told|asked|informed|called|warned|checked)|"
    r"hi|hello|hey|dear|update|fyi|just (?:following|to let|checking|a)|thanks?|thx|without|quick)\b"
    r"(?! nothing| finally| for nothing)"
    r"|(?:absolutely not|no|yes|again|never|yours|mine|me|us|none|nothing|nobody|and)$",
    re.I,
)
# An end that starts so mostly tells what else happened.
_PLAIN_END = re.compile(
    r"and (?!(?:you(?: know| wonder| think| expect| call|'d)|no|that|then|who|why|as|like|every|even|still|"
    r"what|how|where|[a-z]+ing|it takes)\b)"
    r"|(?:and |but |or |so )?(?:(?:it (?!takes)|its|it's|he|she|they|the|an?|my|our|his|her|their|now|some|"
    r"everyone|everybody|neither|no|none|with|to|for|in|at|on|mostly|especially|also|if|when|until|unless|before|"
    r"by|from|there|half|all|both|one|two|three) |please|after|not (?!that )"
    r"|(?:i|we)(?: |')(?!don't care|dont care|mean it|assume|suppose|guess|must say|hope|m told|"
    r"might as well))",
    re.I,
)
_INSULT = re.compile(
    r"\b(?:idiot(?:s|ic)?|moron(?:s|ic)?|stupid(?:ity)?|dumb|fool(?:s|ish)?|clowns?|amateur(?:s|ish)?|lazy|"
    r"pathetic|incompeten(?:t|ce)|useless|brain(?:s|less)?|clueless|child(?:ren)?|kids?|toddlers?|monkeys?|babies|"
    r"circus|zoo|joke|shame|ashamed|disgrace(?:ful)?|embarrassing|hell|damn|bloody|crap|bullshit|shit|fuck\w*|"
    r"arse|ass|wtf|ffs)\b",
    re.I,
)
# Where the end of a sentence may be cut off.
_JOINT = re.compile(
    r"(?:,| -+| –| —|;|:|\.\.\.)(?: (?:and|but|or|so|which|who|as|like|if))?(?= )(?! because\b)"
    r"|,? (?=(?:and|but|or|as if|as though|like|which) "
    r"|because (?:you\b|of you\b|apparently|obviously|clearly|of course|why|who))",
    re.I,
)
_ASKS = re.compile(
    r"(?:and |so |but )?(?:why|what|who|whose|how|when|where|which|is|are|was|were|do|does|did|have|has|had|"
    r"can|could|will|would|should|am|isn't|aren't|don't|doesn't|didn't|haven't|hasn't|can't|couldn't|won't)\b",
    re.I,
)
_ANSWER = re.compile(r"[\w'’]+(?: [\w'’]+)?[.!?]")
_ADDRESS = re.compile(r", [A-ZÀ-Ž][\w'’-]+$")  # "I have no words, Marek."
_EITHER = re.compile(r"\b(?:either|whether)\b", re.I)
_OR = re.compile(r"[\W_]{1,4}or\b", re.I)
_ASKED = re.compile(r"(?:please(?! note)|could you|would you|may I ask)\b", re.I)
_QUESTION = re.compile(r"\?+")
_COMMA = re.compile(r", ")
_WORD = re.compile(r"[\w'’-]+")
_LEAST_KEPT = 3  # words in front of an end that is cut off
_LEAST_CUT = 2  # words of an end
_MOST_CUT = 16
_MOST_WORDS = 30  # of a sentence that is proposed whole
_MOST_SPACES = 90  # of a message in which anything is proposed: a longer one rather reports
_MOST_JOINTS = 8  # of a sentence are tried


def propose_stings(draft: Draft) -> None:
    """Adds the deletion of each sentence, and of each end of a sentence, that carries nothing needed."""
    if draft.message.count(" ") > _MOST_SPACES:
        return
    dropped = {edit.end for edit in draft.edits if edit.rule.startswith("soften.drop_")}
    whole = [sentence for sentence in draft.sentences if _may_go(draft, sentence)]
    if whole and len(whole) == len(draft.sentences):
        whole.remove(max(whole, key=lambda sentence: sentence.end - sentence.start))
    has_mild = any(edit.level == 1 and edit.rule != "soften.marks" for edit in draft.edits)
    for index, sentence in enumerate(draft.sentences):
        if is_quoted(draft, sentence) or is_item(draft, sentence) or sentence.stop in dropped:
            continue
        if sentence in whole:
            _propose_whole(draft, index, has_mild)
        _propose_ends(draft, sentence, has_mild)


def _may_go(draft: Draft, sentence: Sentence) -> bool:
    """Whether a sentence has no fact, order or request, so that nothing needed is lost with it."""
    text = draft.text(sentence)
    if is_quoted(draft, sentence) or is_item(draft, sentence) or len(text.split()) > _MOST_WORDS:
        return False
    if _PLAIN.match(text) or _is_answered(draft, sentence) or _has_verdict(draft, sentence):
        return False
    if "?" not in draft.mark(sentence) and _asks_from(draft, sentence, sentence.start):
        return False
    address = _ADDRESS.search(text)
    end = sentence.start + address.start() if address else sentence.end
    return not _is_needed(draft, sentence.start, end) and not _is_order(draft, sentence)


def _has_verdict(draft: Draft, sentence: Sentence) -> bool:
    """Whether another rule makes a verdict such as "this is useless" milder, so that it can stay."""
    return any(
        edit.rule == "soften.predicate" and sentence.start <= edit.start < sentence.end
        for edit in draft.edits
    )


def _asks_from(draft: Draft, sentence: Sentence, at: int) -> bool:
    """Whether another rule makes a request of what stands at `at` or behind it, so that it was an order."""
    return any(
        at <= change.start < sentence.end and _ASKED.match(change.text)
        for edit in draft.edits
        for change in edit.changes
    )


def _is_answered(draft: Draft, sentence: Sentence) -> bool:
    """Whether a question is answered by a word or two: "Whose job is that? Yours."."""
    if "?" not in draft.mark(sentence):
        return False
    return _ANSWER.match(draft.message[sentence.stop : sentence.stop + 24].lstrip(" ")) is not None


def _is_order(draft: Draft, sentence: Sentence) -> bool:
    if "?" in draft.mark(sentence) and _ASKS.match(draft.text(sentence)):
        return False
    # An order may stand behind an exclamation or an address: "You fools, lock the door."
    starts = [match.end() for match in islice(_COMMA.finditer(draft.text(sentence)), _MOST_JOINTS)]
    places = [lead_end(draft, sentence), *(sentence.start + at for at in starts)]
    return any(find_order(draft, sentence, at) is not None for at in places)


def _is_needed(draft: Draft, start: int, end: int) -> bool:
    """Whether words have a fact, a number or a request."""
    text = draft.message[start:end]
    has_fact = any(start < b and a < end for a, b in draft.facts)
    return has_fact or _NUMBER.search(text) is not None or _REQUEST.search(text) is not None


def _propose_whole(draft: Draft, index: int, has_mild: bool) -> None:
    """The deletion of a sentence; the name that it addresses joins the sentence next to it."""
    sentence, message = draft.sentences[index], draft.message
    start = sentence.start
    while start and message[start - 1] == " ":
        start -= 1
    changes: tuple[Change, ...] = (Change(start, sentence.stop, ""),)
    address = _ADDRESS.search(draft.text(sentence))
    name = address.group() if address else ""
    if name and index:
        previous = draft.sentences[index - 1]
        changes = (Change(previous.end, previous.end, name), Change(previous.stop, sentence.stop, ""))
    elif name and len(draft.sentences) > 1:
        word = _WORD.match(message, draft.sentences[1].start)
        if not word:
            return
        is_kept = word.group()[:1] == "I" or names.find(word.group())
        first = word.group() if is_kept else word.group().lower()
        changes = (Change(sentence.start, word.end(), f"{name[2:]}, {first}"),)
    _propose(draft, _WHOLE, has_mild, changes)
    # A question that only accuses wants a remedy, and without another request nothing would ask for it.
    has_request = draft.has_order or _REQUEST.search(message) or len(_QUESTION.findall(message)) > 1
    is_last = sentence is draft.sentences[-1] and index > 0
    if "?" in draft.mark(sentence) and is_last and not has_request:
        ask = Change(sentence.start, sentence.stop, draft.cap(f"could you please look into it{name}?"))
        draft.edits.remove(Edit(_WHOLE, 3, changes))
        draft.edits.append(Edit(_WHOLE, 3, (ask,)))


def _propose_ends(draft: Draft, sentence: Sentence, has_mild: bool) -> None:
    """The deletion of what stands behind a comma, a dash or a joining word, up to the end of a sentence."""
    text, mark = draft.text(sentence), draft.mark(sentence)
    for match in islice(_JOINT.finditer(text), _MOST_JOINTS):
        kept, cut = text[: match.start()], text[match.end() :].strip()
        if len(kept.split()) < _LEAST_KEPT or not _LEAST_CUT <= len(cut.split()) <= _MOST_CUT:
            continue
        at = sentence.start + match.start()
        if "?" not in mark and _asks_from(draft, sentence, at + 1):
            continue
        if _EITHER.search(kept) and _OR.match(text, match.start()):
            continue
        if kept.count("(") != kept.count(")") or kept.count('"') % 2 or _is_needed(draft, at, sentence.end):
            continue
        if _PLAIN_END.match(text[match.start() :].lstrip(" ,;:.-–—")) or find_order(
            draft, sentence, sentence.start + match.end() + 1
        ):
            continue
        change = Change(at, sentence.end, "")
        if "?" in mark and not _ASKS.match(kept):
            change = Change(at, sentence.stop, "." + draft.closing(sentence))
        _propose(draft, _END, has_mild, (change,))


def _propose(draft: Draft, rule: str, has_mild: bool, changes: tuple[Change, ...]) -> None:
    """Adds a deletion at each of its levels, so that no hedge in the same place wins over it."""
    words = draft.message[changes[0].start : changes[-1].end]
    lowest = 1 if _INSULT.search(words) or not has_mild else _LEVEL
    draft.edits += [Edit(rule, level, changes) for level in range(lowest, 4)]
