"""What a person finds wrong in a rewrite when they compare it with what they wrote.

Each function returns 1 for no fault, 0 for a fault that makes the rewrite useless, and numbers between.
"""

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from data.records import TransformType
from simulation.reading import Reading, Word, read

_LABELLED_TYPES = {TransformType.REQUIREMENTS, TransformType.STRUCTURE}

# Words that say no without a negation, in either language.
_DENIAL = re.compile(
    r"\b(?:avoid|stop|off|unless|until|only|rather|lacks?|missing|fail\w*|refus\w*|unable|un(?:able|usable|clear|known)\w*"
    r"|im\w+ble|hard|difficult|used to|wrong|none|without|too|before any\w*)\b"
    r"|不|無|未|禁|づら|にく|難|控|やめ|止め|まだ|(?<!いた)だけ|のみ|困|ない|なく|なし|ません|ずに|ぬ|しか|防",
    re.IGNORECASE,
)
# What may stand for a condition of the message.
_CONDITION = re.compile(r"\b(?:unless|if|until|before|after|only)\b")
_SAME_CONDITION = {
    "unless": re.compile(
        r"unless|except|without|otherwise|\bif\b(?:\s[\w']+){0,4}(?:\s(?:no|not|nobody)\b|n't)"
    ),
    "if": re.compile(
        r"\bif\b|when|whether|in case|should|unless|without|\?|open|once|\bor\b|otherwise|depend"
    ),
    "until": re.compile(r"until|till|before|\bby\b|then|as long as|while|not yet|only"),
    "before": re.compile(r"before|\bby\b|until|then|prior|first|ahead|in advance|earlier|without"),
    "after": re.compile(r"after|once|when|since|then|following|next|from|later|as soon as"),
    "only": re.compile(r"only|just|alone|limit|except|nothing|solely|merely|no other|\bbut\b|\bnot\b|n't"),
}
_OPPOSITES: list[tuple[str, str]] = re.findall(
    r"(\S+)/(\S+)",
    """
    strong/weak before/after increase/decrease earlier/later accept/reject accepted/rejected
    approve/decline passed/failed start/stop add/remove higher/lower high/low paid/unpaid
    always/never easy/hard faster/slower maximum/minimum larger/smaller cheaper/dearer
    enable/disable lock/unlock buyer/seller inside/outside possible/impossible allowed/forbidden
    everybody/nobody rose/fell 前/後 増/減 高い/低い 強い/弱い 承認/却下
    早/遅 上が/下が 有効/無効 開始/停止 以上/以下 多い/少ない
    """,
)
_IDLE_REQUEST = re.compile(
    r"了承|容赦|安心|査収|確認ください|連絡ください|利用ください|let me know|thank", re.IGNORECASE
)
_REPROACH = re.compile(
    r"\bdid you (?:even|not)\b|\bare you trying\b|\bseriously\b|\bwhat exactly\b"
    r"|\bwhy (?:is|am|are|do|does|did)\b|\bhow (?:hard|many times)\b|\bdo you (?:even|ever)\b|[？?]",
    re.IGNORECASE,
)
_ASKING_BACK = re.compile(
    r"\b(?:add|added|state|stated|name|named|confirm|clarif\w*|ask|see|let|keep|how|why|which|who|what|fixed)\b|記載|追記",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?m)^\s*[-•*・]|^[^\n:：】]{1,24}[:：】]")
_NEED_LABEL = re.compile(r"(?m)^\W*([^\n:：】]{1,24})(?:[:：】]|$)")
_BRACKETS = re.compile(r"[(（][^()（）]{0,300}[)）]")
_NOT_STATED = re.compile(
    r"\b(?:not (?:stated|mentioned|named|specified|given|fixed|decided|yet|said|in this message)|missing"
    r"|please add|to be (?:added|named|decided|clarified)|still need|isn['’]t said)\b"
    r"|記載|未定|不明|追記|書かれて",
    re.IGNORECASE,
)
_GUSH = re.compile(
    r"\b(?:glad|pleased|delighted|excited|promise|tell me what"
    r"|i(?:['’]d like to know|['’]m sure| have to (?:ask|tell))"
    r"|thank(?:s| you) for (?!your (?:help|time|understanding|patience|support)\b)\w+)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|due to|so that|therefore|as a result|in order to|means that|that['’]s why)\b"
    r"|ため、|ので、",
    re.IGNORECASE,
)
_ANY_REASON = re.compile(
    r"\b(?:because|bc|since|as|so|due|caused?|why|reason|that's|means|therefore|for)\b|ため|ので|から|理由|し、|て、|で、",
    re.IGNORECASE,
)
_PARTIES = re.compile(
    r"\b(?:customer|client|vendor|manager|colleague|department|supplier|user|patient|partner|boss|staff|seller|friend"
    r"|lawyer|meeting|project|company|office|website)(?=s?\b)"
)
# The share of new words that is still a rewrite: explanations need more than a list does.
_NEW_WORDS = {
    TransformType.SOFTEN: 0.35,
    TransformType.CLARIFY: 0.45,
    TransformType.STRUCTURE: 0.2,
    TransformType.SUMMARIZE: 0.2,
    TransformType.TERMINOLOGY: 0.75,
    TransformType.REQUIREMENTS: 0.2,
    TransformType.BACKGROUND: 0.25,
}
_PROMISE = re.compile(r"\b(?:i|we)(?:'ll| will| promise)\b", re.IGNORECASE)
_NO = re.compile(r"\b(?:not|no|never|nobody|nothing|neither|constraints?)\b|n't|制約", re.IGNORECASE)
_COURTESY = re.compile(
    r"\b(?:please|thank you|thanks|hi|hello|dear|need|open|constraint)\b|お願い(?:いた)?します|よろしく"
)
_PLACEHOLDER = re.compile(
    r"\b(?:NAME|DATE|DAY|TIME|NUMBER|MONTH|PLACE|AMOUNT|PERSON|Numbered\d*)\b"
    r"|\[[A-Za-z _]{2,20}\]|<[A-Za-z_ ]{2,20}>|\ufffd"
)
_PROMPT = re.compile(
    r"\b(?:rewrite|soften|clarify|structure|summari[sz]e|terminology|requirements|background),? \d/\d"
    r"|\bas an ai\b|language model",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^\W*(?:sure|certainly|of course|absolutely|here is|here's|below is|rewritten|revised|output)\b"
    r"[^\n]{0,80}[,!.:]",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?。！？)）」:：]\W*$")


def check_points(kind: TransformType, message: Reading, rewrite: Reading) -> float:
    """Are the clauses of the message there, each with most of its words in one place?

    A summary may drop what is no request, and chat rather than details and prohibitions.
    """
    enough = 0.7 if kind in _LABELLED_TYPES | {TransformType.BACKGROUND} else 0.6
    windows: dict[int, list[frozenset[str]]] = {}
    stems = [word.stem for word in rewrite.words]
    gone = total = 0.0
    for number, words in message.groups.items():
        size = sum(map(_weigh, words))
        if size < 1:
            continue
        clause = message.clauses[number]
        width = 2 * len(words) + 4
        if width not in windows:
            places = range(max(1, len(stems) - width + 1))
            windows[width] = [frozenset(stems[place : place + width]) for place in places]
        kept = max(sum(_weigh(word) for word in words if word.stem in window) for window in windows[width])
        value = min(size, 3) / 3
        if kind == TransformType.SUMMARIZE and not clause.is_request:
            value *= 0.4 if clause.is_negative or any(word.is_detail for word in words) else 0.2
        gone += value * _clip((enough - kept / size) / 0.5)
        total += value
    share = gone / total if total else 0.0
    return 1 - max(_clip(gone / 2), share / 2 if kind == TransformType.SUMMARIZE else share)


def check_requests(kind: TransformType, message: Reading, rewrite: Reading) -> float:
    """Are the requests still requests, about the same, and is there none from nothing?"""
    requests = [
        (clause, message.groups[number])
        for number, clause in enumerate(message.clauses)
        if clause.is_request and number in message.groups and not _IDLE_REQUEST.search(clause.text)
    ]
    regions, levels = _find_request_regions(kind, rewrite)
    # As many requests in other words are half of what was asked.
    least = 0.5 * (
        sum(level == 1 for level in levels.values()) >= len({clause.sentence for clause, _ in requests})
    )
    lost = 0.0
    for clause, words in requests:
        size = sum(map(_weigh, words))
        if size < 0.8:
            continue
        kept = max(
            _clip(2 * sum(_weigh(word) for word in words if word.stem in stems) / size) * levels[sentence]
            for sentence, stems in regions.items()
        ) if regions else 0.0  # fmt: skip
        # A reproach in the form of a question need not stay a question.
        value = 0.3 if _REPROACH.search(clause.text) else 1.0
        lost += value * (1 - max(kept, least))
    asks = any(clause.is_request and not _IDLE_REQUEST.search(clause.text) for clause in message.clauses)
    silent = asks and not any(levels.values())
    return 1 - _clip(lost + silent + 0.5 * _has_new_request(kind, message, rewrite, asks))


def _find_request_regions(
    kind: TransformType, rewrite: Reading
) -> tuple[dict[int, set[str]], dict[int, float]]:
    """The stems of each sentence, and how far it is a request: 1, 0.7 for a duty or below a label, or 0."""
    is_labelled = kind in _LABELLED_TYPES and len(_LABEL.findall(rewrite.text)) >= 2
    regions: dict[int, set[str]] = {}
    levels: dict[int, float] = {}
    under_heading = is_labelled
    has_lines = "\n" in rewrite.text.strip()
    for number, clause in enumerate(rewrite.clauses):
        stems = {word.stem for word in rewrite.groups.get(number, [])}
        region = regions.setdefault(clause.sentence, set())
        region |= stems
        if clause.is_request and len(stems) <= 2:  # "Could you do that?" asks for what stands before it
            region |= regions.get(clause.sentence - 1, set())
        level = 1.0 if clause.is_request else 0.7 if clause.is_duty else 0.0
        under_heading |= has_lines and level > 0 and len(clause.text.split()) <= 4
        levels[clause.sentence] = max(levels.get(clause.sentence, 0.0), level, 0.7 * under_heading)
    return regions, levels


def _has_new_request(kind: TransformType, message: Reading, rewrite: Reading, asks: bool) -> bool:
    """Whether the rewrite asks for something that the message does not ask for, demand or forbid."""
    wanted = {
        word.stem
        for word in message.words
        if (clause := message.clauses[word.clause]).is_request or clause.is_duty or clause.is_negative
    }
    if kind == TransformType.SOFTEN and wanted:  # a complaint asks for its remedy
        return False
    for number, clause in enumerate(rewrite.clauses):
        words = rewrite.groups.get(number, [])
        is_idle = _ASKING_BACK.search(clause.text) is not None or (asks and len(words) <= 1)
        if clause.is_plea and not is_idle and not any(word.stem in wanted for word in words):
            return True
    return False


def check_sense(kind: TransformType, message: Reading, rewrite: Reading) -> float:
    """Does every no stay a no, and every condition a condition?"""
    softens = kind == TransformType.SOFTEN
    turned = _count_turned(message, rewrite, softens) + _count_turned(rewrite, message, False)
    dropped = 0
    for number, clause in enumerate(message.clauses):
        links = _CONDITION.findall(clause.text.casefold())
        if links and (places := _find_sentences(message.groups.get(number, []), rewrite)):
            dropped += sum(not any(map(_SAME_CONDITION[link].search, places)) for link in links)
    swapped = 0
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            in_message = _contains(message, one) and not _contains(message, other)
            swapped += in_message and _contains(rewrite, other) and not _contains(rewrite, one)
    no = sum(clause.is_negative for clause in message.clauses)
    still_no = sum(
        clause.is_negative or _DENIAL.search(clause.text) is not None for clause in rewrite.clauses
    )
    fewer = 0.0 if kind in (TransformType.SUMMARIZE, TransformType.SOFTEN) else max(0, no - still_no)
    return 1 - _clip(turned + dropped + swapped + fewer / 2)


def _find_sentences(words: list[Word], rewrite: Reading) -> list[str]:
    """The sentences of the rewrite that have most of the words, half of them at least."""
    stems = {word.stem: _weigh(word) for word in words}
    shares: dict[int, float] = {}
    for sentence, there in rewrite.sentences.items():
        shares[sentence] = sum(weight for stem, weight in stems.items() if stem in there)
    most = max(shares.values(), default=0.0)
    if not stems or most < sum(stems.values()) / 2:
        return []
    return [
        " ".join(clause.text for clause in rewrite.clauses if clause.sentence == sentence).casefold()
        for sentence, share in shares.items()
        if share == most
    ]


def _count_turned(source: Reading, target: Reading, may_request: bool) -> int:
    """The negated clauses of a text whose words the other text has where nothing is denied.

    With `may_request` a complaint ("you never test") may become a request ("could you test").
    """
    count = 0
    for source_number, words in source.groups.items():
        stems = {word.stem for word in words if word.is_negated and not word.is_customary}
        if not stems:
            continue
        shares = [
            (len(stems & {word.stem for word in group}) / len(stems), number)
            for number, group in target.groups.items()
        ]
        best = max((share for share, _ in shares), default=0.0)
        places = [number for share, number in shares if share >= max(0.6, best - 0.2)]
        remedy = may_request and not source.clauses[source_number].is_request
        count += bool(places) and not any(
            _is_denied(target, place) or (remedy and target.clauses[place].is_request) for place in places
        )
    return count


def _is_denied(reading: Reading, number: int) -> bool:
    """Whether a clause, one right beside it in its sentence, or the label above it denies something."""
    beside = [
        clause.text
        for clause in reading.clauses[max(0, number - 1) : number + 2]
        if clause.sentence == reading.clauses[number].sentence
    ]
    labels = [
        clause.text
        for clause in reading.clauses[max(0, number - 6) : number]
        if clause.text.endswith((":", "：", "】"))
    ]
    return reading.clauses[number].is_negative or any(
        _DENIAL.search(text) or _NO.search(text) for text in beside + labels[-1:]
    )


def _contains(reading: Reading, word: str) -> bool:
    return word in reading.tokens if word.isascii() else word in reading.text


def check_roles(message: Reading, rewrite: Reading) -> float:
    """Does everybody do, own and get what they did in the message?"""
    swaps = 0.0
    for role in ("subject", "owner", "object"):
        ours, theirs = _find_people(message, role), _find_people(rewrite, role)
        # Several words beside the same two people are one swap.
        swaps += len(
            {
                (tuple(sorted(ours[stem])), tuple(sorted(people)))
                for stem, people in theirs.items()
                if stem in ours and "" not in people | ours[stem] and not people & ours[stem]
            }
        )
    doers = _find_people(message, "subject")
    taken = False
    for words in rewrite.groups.values():
        mine = [
            word for word in words if word.subject == "I" and not word.is_customary and word.stem in doers
        ]
        taken |= bool(mine) and all(doers[word.stem] <= {"you", "they"} for word in mine)
    return 1 - _clip(swaps + taken)


def _find_people(reading: Reading, role: str) -> dict[str, set[str]]:
    people: dict[str, set[str]] = {}
    for word in reading.words:
        people.setdefault(word.stem, set()).add(getattr(word, role))
    return people


def check_facts(message: Reading, rewrite: Reading) -> float:
    """Are the numbers, ids and names there, none new, and each beside the words that it stood beside?"""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(message.words):
        places.setdefault(word.stem, []).append(place)
    details = {word.stem for word in message.words if word.is_detail}
    lost = [name for name in details if name not in rewrite.stems and name not in rewrite.lower]
    # A name that stands alone ("Priya, ...") is beside nothing.
    together = [{word.stem for word in group} for group in message.groups.values() if len(group) > 1]
    tied = details & {stem for group in together for stem in group}
    moved: dict[str, bool] = {}
    for line in _split_lines(rewrite):
        here = [stem for stem in line if stem in places]
        for place, name in enumerate(here):
            beside = {*here[max(0, place - 3) : place + 4]} - {name}
            if name in tied and beside:
                kept = sum(
                    any(name in group and other in group for group in together)
                    or min(abs(i - j) for i in places[name] for j in places[other]) <= 2
                    for other in beside
                )
                moved[name] = moved.get(name, True) and kept / len(beside) <= 0.25
    new = {word.text for word in rewrite.words if re.search(r"\d\d|[a-z].*\d", word.text)}
    is_new = any(name not in message.lower for name in new)
    return 1 - _clip(2 * len(lost) / max(2, len(details)) + sum(moved.values()) + is_new)


def _split_lines(reading: Reading) -> list[list[str]]:
    """The stems of each sentence or line, in order."""
    lines: dict[int, list[str]] = {}
    for word in reading.words:
        lines.setdefault(reading.clauses[word.clause].sentence, []).append(word.stem)
    return list(lines.values())


def check_inventions(kind: TransformType, message: Reading, rewrite: Reading) -> float:
    """Are there no reasons, feelings, people and hardly any words that the message does not have?

    What stands in brackets or says that something is not stated may be new.
    """
    plain = read(_leave_out_notes(rewrite.text))
    words = [word for word in plain.words if not word.is_customary]
    new = [word for word in words if word.stem not in message.stems and word.text not in message.lower]
    share = len(new) / max(4, len(words))
    gush = sum(phrase.casefold() not in message.lower for phrase in _GUSH.findall(rewrite.text))
    parties = sum(party not in message.lower for party in set(_PARTIES.findall(plain.lower)))
    reason = _REASON.search(plain.text) is not None and _ANY_REASON.search(message.text) is None
    foreign = 0
    for sentence in _split(plain):
        known = sum(word.stem in message.stems or word.text in message.lower for word in sentence)
        promises = _PROMISE.search(plain.clauses[sentence[0].clause].text) is not None
        foreign += len(sentence) >= (2 if promises else 4) and known <= len(sentence) / 4
    if kind == TransformType.TERMINOLOGY:
        foreign = 0
    return 1 - _clip(gush + (parties + reason + foreign) / 2 + _clip((share - _NEW_WORDS[kind]) / 0.3))


def _split(reading: Reading) -> list[list[Word]]:
    """The words of each sentence that are not customary."""
    sentences: dict[int, list[Word]] = {}
    for word in reading.words:
        if not word.is_customary:
            sentences.setdefault(reading.clauses[word.clause].sentence, []).append(word)
    return list(sentences.values())


def check_whole(message: Reading, rewrite: Reading) -> float:
    """Is it a text: in the message's language, without loops, placeholders, chatter or a cut end?"""
    text = rewrite.text
    if not text.strip() or (message.is_japanese != rewrite.is_japanese and re.search(r"[^\W\d_]", text)):
        return 0.0
    for pattern in (_PLACEHOLDER, _PROMPT):
        if pattern.search(text) and not pattern.search(message.text):
            return 0.0
    lines = [line for line in text.splitlines() if line.strip()]
    is_prose = not re.match(r"\W*[-*•・【\d]|[^:：]{1,24}[:：]", lines[-1])
    is_long = len(lines[-1]) > (15 if rewrite.is_japanese else 40)
    is_cut = is_prose and is_long and _ENDED.search(message.text) and not _ENDED.search(lines[-1])
    sentences = [re.sub(r"^\W+", "", part).casefold() for part in re.split(r"[\n.!?。]", text)]
    loops = sum(count - 1 for part, count in Counter(sentences).items() if len(part) > 3)
    plain = read(_leave_out_notes(text))
    talks = bool(_PREAMBLE.match(text)) and not _PREAMBLE.match(message.text)
    repeated = (_count_close_repeats(plain) - _count_close_repeats(message)).total()
    return 1 - _clip(bool(is_cut) + (talks + loops) / 2 + repeated / 8)


@lru_cache(maxsize=4096)
def _leave_out_notes(text: str) -> str:
    """A text without what stands in brackets and without the sentences that say what is not stated."""
    parts = re.split(r"(?<=[.\n。])", _BRACKETS.sub(" ", text))
    return "".join(part for part in parts if not _NOT_STATED.search(part))


def _count_close_repeats(reading: Reading) -> Counter[str]:
    """How often a word returns within four words of its clause."""
    return Counter(
        word.stem
        for words in reading.groups.values()
        for place, word in enumerate(words)
        if not word.is_customary
        and any(word.stem == other.stem for other in words[max(0, place - 4) : place])
    )


def check_change(kind: TransformType, intensity: int, message: Reading, rewrite: Reading) -> float:
    """Does it do what was requested, beyond a copy with a "please"? From intensity 1 on."""
    if intensity == 0:
        return 1.0
    lines = [line for line in rewrite.text.splitlines() if line.strip()]
    if kind == TransformType.SUMMARIZE:
        length = len(rewrite.text) / max(1, len(message.text))
        return 1 - _clip((length - 0.95 + 0.05 * intensity) / 0.1)
    if kind == TransformType.STRUCTURE:
        return _clip((len(lines) - 1) / 2)
    if kind == TransformType.REQUIREMENTS:
        labels = Counter(label.strip().casefold() for label in _NEED_LABEL.findall(rewrite.text))
        return float(len(labels) >= 2 and max(labels.values()) == 1)
    # How alike the two are, pair of words by pair of words.
    ours, theirs = _count_pairs(message.text), _count_pairs(rewrite.text)
    same = 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())
    return 1 - _clip((same - 1.0 + 0.05 * intensity + 0.1) / 0.1)


def _count_pairs(text: str) -> Counter[tuple[str, str]]:
    words = re.findall(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+", _COURTESY.sub(" ", text.casefold()))
    return Counter(pairwise(words))


def _weigh(word: Word) -> float:
    return 0.4 if word.is_customary else 1.0


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


CHECKS = ("points", "requests", "sense", "roles", "facts", "nothing invented", "whole", "changed")


def compare(kind: TransformType, intensity: int, message: str, rewrite: str) -> dict[str, float]:
    """The checks of a rewrite against its message, each in [0, 1]; 1 is no fault."""
    ours, theirs = read(message), read(rewrite)
    values = (
        check_points(kind, ours, theirs),
        check_requests(kind, ours, theirs),
        check_sense(kind, ours, theirs),
        check_roles(ours, theirs),
        check_facts(ours, theirs),
        check_inventions(kind, ours, theirs),
        check_whole(ours, theirs),
        check_change(kind, intensity, ours, theirs),
    )
    return dict(zip(CHECKS, values, strict=True))
