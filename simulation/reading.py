"""Reads a message or a rewrite as a person does who compares the two: words, clauses, requests, who and not.

English and Japanese. A word is a stem in English; in Japanese it is a run of katakana, a run of Latin letters
or digits, or one kanji. Grammatical words are no words here. The lists are short and rough: a reader that
shares nothing with the scorers in `models` may err in other places than they do.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

Who = Literal["I", "you", "they", ""]


@dataclass(frozen=True, slots=True)
class Word:
    """A word in its place.

    `clause` is the index of its clause. A detail is a number, an id or a name. A customary word is one that
    any rewrite may use ("please", "stated", "deadline"). `subject` is who does it, as far as a pronoun or an
    order before it tells; `owner` is "my" or "your" before it, `object` is "me" or "you" right after it.
    """

    stem: str
    text: str
    clause: int
    is_detail: bool
    is_customary: bool
    is_negated: bool
    subject: Who
    owner: Who
    object: Who


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence.

    A request is an order, a plea or a question; a plea is a request that no list of verbs is needed to see. A
    duty is something that must be done, or a heading for requests.
    """

    text: str
    sentence: int
    is_request: bool
    is_plea: bool
    is_duty: bool
    is_negative: bool


@dataclass(frozen=True)
class Reading:
    """A text as its clauses and its words, both in the text's order."""

    text: str
    clauses: tuple[Clause, ...]
    words: tuple[Word, ...]
    is_japanese: bool

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all words."""
        return frozenset(word.stem for word in self.words)

    @cached_property
    def groups(self) -> dict[int, list[Word]]:
        """The words of each clause that has words."""
        groups: dict[int, list[Word]] = {}
        for word in self.words:
            groups.setdefault(word.clause, []).append(word)
        return groups

    @cached_property
    def sentences(self) -> dict[int, frozenset[str]]:
        """The stems of each sentence that has words."""
        stems: dict[int, set[str]] = {}
        for word in self.words:
            stems.setdefault(self.clauses[word.clause].sentence, set()).add(word.stem)
        return {sentence: frozenset(found) for sentence, found in stems.items()}

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Every run of Latin letters in lower case, grammatical words too."""
        return frozenset(re.findall(r"[a-z]+", self.lower))

    @cached_property
    def lower(self) -> str:
        """The text without upper case."""
        return self.text.casefold()


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GRAMMAR = _split_words(
    """
    a about above again also am an and any anymore anyway are around as at back be because been before
    being between both but by came can cannot come comes coming could currently did do does doing done
    due during each either else even ever every everybody everyone everything few for from get gets
    getting go goes going got had has have having he hence her here hers him his how however i if in
    instead into is it its itself just let like likely long lot made make makes many may maybe me might
    mine more most much must my need needed needs neither never new no nobody none nor not nothing now
    of off often on once one ones only onto or other others ought our ours out over own per perhaps
    possible possibly quite rather really regarding same seem seems shall she should since so some
    somebody someone something soon still such than that the their theirs them then there therefore
    these they thing things this those though through till to today together too toward under unless
    until up upon us very via want wanted wants was way we well went were what when where whether which
    while who whoever whom whose why will with within without would yes yet you your yours yourself
    """
)
_CUSTOMARY = _split_words(
    """
    action actions add added affected all appreciate ask asked believe best call called cheers clear
    confirm confirmed constraint constraints context deadline dear decide decided decision defined
    detail details far feel find first found gave give given glad grateful happy heads hello help
    helpful hey hi info information issue issues keep kept kind kindly know known last look looks mean
    means mention mentioned message missing moment morning name named next note open owner please point
    points problem problems proposal put question questions quick quickly reason regards request
    requested requests requirement requirements said saw say says second see seen short sorry specified
    state stated states status step steps suggestion summary sure take team tell term thank thanks think
    thought told took unclear understand unfortunately unknown use used using work works
    """
)
_CUSTOMARY_KANJI = set(
    "願致頂下申上御様方者件等中為事時自分何誰用記載未定必要依頼期限理由確認対象制約点背景質問追連絡知教思言以内"
)
_IRREGULAR = {
    form: base
    for base, forms in {
        "apply": "applied applies",
        "begin": "began begun",
        "break": "broke broken",
        "bring": "brought",
        "build": "built",
        "buy": "bought",
        "catch": "caught",
        "child": "children",
        "choose": "chose chosen",
        "draw": "drew drawn",
        "drive": "drove driven driver",
        "fall": "fell fallen",
        "forget": "forgot forgotten",
        "freeze": "froze frozen",
        "grow": "grew grown",
        "hear": "heard",
        "hide": "hid hidden",
        "hold": "held",
        "leave": "left leaving",
        "lose": "lost loss",
        "mail": "mails email emails e-mail e-mails",
        "meet": "met meeting",
        "pay": "paid",
        "person": "people persons",
        "reply": "replied replies",
        "run": "ran running",
        "sell": "sold",
        "send": "sent",
        "speak": "spoke spoken",
        "steal": "stole stolen",
        "try": "tried tries",
        "wake": "woke woken",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}
_ENDINGS = (
    *("ations", "ation", "ments", "ment", "ings", "ing", "ness", "edly", "ies", "ied"),
    *("ed", "es", "ers", "er", "ly", "s", "e", "y"),
)

_PRONOUNS: dict[str, Who] = {
    **dict.fromkeys(("i", "we", "i'm", "we're", "i'd", "we'd", "i'll", "we'll", "i've", "we've"), "I"),
    **dict.fromkeys(("you", "you're", "you'd", "you'll", "you've"), "you"),
    **dict.fromkeys(
        ("he", "she", "they", "he's", "she's", "they're", "they'd", "they'll", "they've"), "they"
    ),
}
_OWNERS: dict[str, Who] = {
    "my": "I",
    "our": "I",
    "your": "you",
    "his": "they",
    "her": "they",
    "their": "they",
}
_OBJECTS: dict[str, Who] = {"me": "I", "us": "I", "you": "you", "him": "they", "her": "they", "them": "they"}

_SKIPPED = _GRAMMAR | _PRONOUNS.keys()

_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff々]")
_TOKEN = re.compile(
    r"[A-Za-z]+(?:['.&/_-]?[A-Za-z0-9]+)*|\d+(?:[.,:/-]?[A-Za-z0-9]+)*%?"  # words, ids, numbers
    r"|[\u30a0-\u30ff]{2,}|[\u3400-\u9fff々]|[\u3040-\u309f]+"  # katakana, a kanji, hiragana
)
_BREAK = re.compile(
    r"[.!?。！？]+(?=\s|$|[」）)\"'\u3040-\u9fff])|\n+|[;:()（）：；、「」【】・\"“”]|,(?=\s)|\s[-–—•*]+\s|^[-–—•*]\s*"
    r"|\b(?=(?:and|but|so|because|which|who|that|if|unless|until|before|after|when|while|or|since|though|where|how|what|why|whether)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?。！？\n]")
_NOT = re.compile(r"(?<=[a-z])n't\b")
_NEGATIONS = _split_words(
    "not no never nobody none nothing neither nor without cannot hardly nowhere instead"
)
_JAPANESE_NEGATION = re.compile(
    r"ない(?!と|か|で済)|なく(?!て)|ません(?!か|でしょうか)|ずに|なし|なかった|ぬ|まだ|[るすうくむつぐぶん]なよ?$"
)
_OPINIONS = _split_words("think believe suppose")
_NEGATIVE_KANJI = set("不未無非禁否")
_NEGATED_WORDS = 4  # that follow a negation in its clause; in Japanese the two before it
_DONE_WORDS = 2  # that follow a subject: what it does

_VERBS = (
    "add|adjust|agree|allow|answer|apologi[sz]e|apply|approve|archive|arrange|ask|assign|attach|avoid|block|book|bring"
    "|build|buy|call|cancel|change|check|choose|clean|clear|click|close|collect|come|compare|complete|confirm|contact"
    "|copy|correct|count|create|cut|decide|delete|deliver|deploy|describe|disable|do|document|download|drop|email"
    "|enable|enter|escalate|exclude|expect|explain|export|extend|file|fill|find|finish|fix|flush|focus|follow|forward"
    "|get|give|go|hand|have|help|hold|import|include|inform|install|invite|join|keep|leave|let|limit|list|load|lock"
    "|look|mail|make|mark|merge|migrate|move|name|never|note|open|order|park|pass|pay|pick|plan|post|prepare|print"
    "|provide|pull|push|put|raise|read|rebase|record|redo|register|release|remember|remind|remove|rename|renew|repair"
    "|repeat|replace|replay|reply|report|request|resend|reset|resolve|restart|restore|resubmit|return|revert|review"
    "|rewrite|roll|run|save|say|scan|schedule|see|sell|send|set|share|ship|show|sign|skip|speak|split|start|stay|stick"
    "|stop|submit|switch|take|talk|tell|test|treat|try|turn|update|upgrade|upload|use|verify|wait|warn|write|don't"
)
_ORDER = re.compile(
    rf"\W*(?:(?:and|so|then|but|or|just|also|now|instead|please|[A-Z]\w+,)\s+)*(?:{_VERBS})\b(?!'s)"
    r"(?!\s+(?:of|is|are|was|were|has|had)\b|\s*:|\s+for the)",
    re.IGNORECASE,
)
_PLEA = re.compile(
    r"\bplease\b|\?\s*$|\blet's\b|\b(?:can|could|would|will) (?:you|someone|somebody|anyone|whoever)\b"
    r"|\b(?:i|we)(?:'d| would) (?:like|need|ask|suggest|prefer) (?!to\b)\w+"
    r"|\bsomeone (?:find|check|look|tell)"
    r"|ください|下さい|お願い|いただけ|頂け|もらえ|ほしい|欲しい|くれ|ましょう|[？?]|ですか|ますか|でしょうか|依頼"
    r"|(?:して|って|いて|えて|けて|めて|んで|ないで|せて|べて|こと)[。!！…（(]*$",
    re.IGNORECASE,
)
_DUTY = re.compile(
    r"\b(?:must|should|ha(?:s|ve|d) to|needs?|needed|required?|supposed to|ought to|to do|requests?"
    r"|proposal|suggestion|questions?|open|decision|action|next steps?|to be)\b"
    r"|必要|必須|べき|なければ|要望|希望|質問|制約|禁止|期限",
    re.IGNORECASE,
)
_ORDER_FOLLOWS = re.compile(r"(?:so|then)\b", re.IGNORECASE)
_LINK = re.compile(r"(?:and|but|or|because|which|who|that|if)\b", re.IGNORECASE)
_FURTHER_ORDER = re.compile(r"(?:and|or|but)\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """Read a text."""
    plain = text.replace("’", "'")
    japanese = len(_JAPANESE.findall(plain))
    clauses: list[Clause] = []
    words: list[Word] = []
    sentence, starts_sentence = 0, True
    for begin, end in _find_clauses(plain):
        part = plain[begin:end].strip()
        link = _LINK.match(part) is not None
        may_order = (
            starts_sentence
            or _ORDER_FOLLOWS.match(part) is not None
            or (not link and plain[:begin].rstrip()[-1:] in tuple(",;:-•"))
            or (clauses[-1].is_request and _FURTHER_ORDER.match(part) is not None)
        )
        is_plea = _PLEA.search(part) is not None
        is_request = is_plea or (may_order and _ORDER.match(part) is not None)
        is_negative = _read_words(part, len(clauses), starts_sentence, is_request, words)
        clauses.append(
            Clause(part, sentence, is_request, is_plea, _DUTY.search(part) is not None, is_negative)
        )
        starts_sentence = _SENTENCE_END.search(plain[begin:end].rstrip(" ")[-2:]) is not None
        sentence += starts_sentence
    is_japanese = japanese > 0.2 * max(1, len("".join(plain.split())))
    return Reading(text, tuple(clauses), tuple(words), is_japanese)


@lru_cache(maxsize=65536)
def stem_word(word: str) -> str:
    """A crude stem in lower case: the base form of irregular verbs, else six letters without the ending."""
    word = re.sub(r"'s?$", "", word.casefold())
    word = _IRREGULAR.get(word, word)
    if not word.isascii() or not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:6]


_CUSTOMARY_STEMS = {stem_word(word) for word in _CUSTOMARY}


def _find_clauses(text: str) -> list[tuple[int, int]]:
    ends = [*(match.end() for match in _BREAK.finditer(text)), len(text)]
    spans = list(zip([0, *ends], ends, strict=False))
    return [(begin, end) for begin, end in spans if text[begin:end].strip()]


def _read_words(part: str, clause: int, starts_sentence: bool, is_request: bool, words: list[Word]) -> bool:
    """Append the words of a clause. Returns whether the clause has a negation."""
    tokens = _TOKEN.findall(_NOT.sub(" not", part.replace("can't", "can not").replace("won't", "will not")))
    lowered = [token.casefold() for token in tokens]
    own: list[Word] = []
    # "Invite her" in a list may be what the writer will do.
    subject: Who = "you" if is_request and not part.startswith(("-", "•", "*", "・")) else ""
    doing = _DONE_WORDS
    owner: Who = ""
    negated, is_negative = 0, False
    for place, (token, low) in enumerate(zip(tokens, lowered, strict=True)):
        if token in _NEGATIVE_KANJI or (
            "\u3040" <= token[0] <= "\u309f" and _JAPANESE_NEGATION.search(token)
        ):
            is_negative = True
            own[-2:] = [replace(word, is_negated=True) for word in own[-2:]]
        if low in _NEGATIONS:
            negated, is_negative = _NEGATED_WORDS, True
        if low in _OPINIONS:  # "I don't think that it works" denies what follows less than "it does not work"
            negated = 0
        if low in _PRONOUNS:
            subject, doing = _PRONOUNS[low], _DONE_WORDS
        elif low in _OWNERS:
            owner = _OWNERS[low]
        is_acronym = len(token) > 1 and token.isascii() and token.isupper()
        if (low in _SKIPPED and not is_acronym) or "\u3040" <= token[0] <= "\u309f":
            continue
        is_name = token[0].isupper() and len(token) > 1 and (place > 0 or not starts_sentence)
        is_detail = is_name or is_acronym or any(character.isdigit() for character in token)
        name = stem_word(token)
        is_customary = (name in _CUSTOMARY_STEMS and not is_detail) or token in _CUSTOMARY_KANJI
        after = lowered[place + 1] if place + 1 < len(tokens) else ""
        own.append(
            Word(
                stem=name,
                text=low,
                clause=clause,
                is_detail=is_detail,
                is_customary=is_customary,
                is_negated=negated > 0,
                subject=subject if doing > 0 else "",
                owner=owner,
                object=_OBJECTS.get(after, ""),
            )
        )
        owner = ""
        doing -= not is_customary
        negated -= not is_customary
    words += own
    return is_negative
