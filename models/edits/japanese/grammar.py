"""Japanese sentences and verb forms: where a sentence ends, and which form of a verb ends it.

There is no morphological analyser here. A form is recognised by the list of common verbs in
`japanese_verbs.txt`.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple

KANJI = r"\u3005\u3007\u3400-\u9fff"
KATAKANA = r"\u30a1-\u30fa\u30fc"
_OPEN, _CLOSE = '「『（(【［["“', '」』）)】］]"”'
_ENDS = "。！？!?．"
# Endings of a verb in -u: te form, and the vowel rows a, i, e.
_ROWS = {
    "う": ("って", "わ", "い", "え"),
    "く": ("いて", "か", "き", "け"),
    "ぐ": ("いで", "が", "ぎ", "げ"),
    "す": ("して", "さ", "し", "せ"),
    "つ": ("って", "た", "ち", "て"),
    "ぶ": ("んで", "ば", "び", "べ"),
    "む": ("んで", "ま", "み", "め"),
    "る": ("って", "ら", "り", "れ"),
}
# Things that happen and that nobody can be asked to do.
_HAPPENS = (
    "故障|遅延|発生|不足|混乱|影響|関係|集中|破損|紛失|発覚|多発|頻発|増加|減少|低下|上昇|悪化|停滞|経過|完了|成功|失敗"
    "|欠席|欠勤|骨折|入院|発熱|渋滞|混雑|感染|延着|遅刻|寝坊|緊張|疲労|反省|後悔|心配|安心|期待|存在|矛盾|重複|該当|一致|乖離"
)


class Sentence(NamedTuple):
    """A sentence's place in a message: `end` is where its closing marks start, `stop` is after them."""

    start: int
    end: int
    stop: int


class Verb(NamedTuple):
    """A verb's forms: `stem` takes ます and ました, `negative` ends in ない, `te` takes ください."""

    plain: str
    te: str
    stem: str
    negative: str


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text. Quotes and brackets are not split; a line break always splits."""
    result: list[Sentence] = []
    start, depth, at = 0, 0, 0
    while at < len(text):
        char = text[at]
        if char in '"' and '"' in _OPEN:
            depth = 0 if depth else 1
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth = max(0, depth - 1)
        if char == "\n" or (char in _ENDS and not depth and not _inside_word(text, at)):
            stop = at
            while stop < len(text) and text[stop] in _ENDS:
                stop += 1
            _add(result, text, start, at, stop)
            start = at = max(stop, at + 1)
            depth = 0 if char == "\n" else depth
            continue
        at += 1
    _add(result, text, start, len(text), len(text))
    return result


def _inside_word(text: str, at: int) -> bool:
    """Whether a mark stands inside an address or a number, such as `?` in a URL."""
    return (
        text[at] in "!?．"
        and text[at - 1 : at].isascii()
        and text[at + 1 : at + 2].isascii()
        and text[at + 1 : at + 2].isalnum()
    )


def _add(result: list[Sentence], text: str, start: int, end: int, stop: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        result.append(Sentence(start, end, max(stop, end)))


@functools.cache
def _words() -> dict[str, frozenset[str]]:
    """The words of each section of `japanese_verbs.txt`."""
    words: dict[str, set[str]] = {}
    section = ""
    for line in (Path(__file__).parent / "japanese_verbs.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            words.setdefault(section, set()).update(line.split())
    return {section: frozenset(part) for section, part in words.items()}


@functools.cache
def _verbs() -> dict[str, dict[str, Verb]]:
    """For each kind of form, the verbs by that form; `_enter` names the kinds."""
    forms: dict[str, dict[str, Verb]] = {}
    for section in ("godan", "ichidan"):
        for word in _words()[section]:
            _conjugate(forms, word, section == "godan")
    for word, verb, order in (
        ("する", Verb("する", "して", "し", "しない"), "しろ"),
        ("来る", Verb("来る", "来て", "来", "来ない"), "来い"),
        ("持って来る", Verb("持って来る", "持って来て", "持って来", "持って来ない"), "持って来い"),
    ):
        _enter(forms, word, verb, order)
    return forms


def _conjugate(forms: dict[str, dict[str, Verb]], word: str, godan: bool) -> None:
    root, last = word[:-1], word[-1]
    if not godan:
        _enter(forms, word, Verb(word, root + "て", root, root + "ない"), root + "ろ")
        return
    te, a_row, i_row, e_row = _ROWS[last]
    if word.endswith("行く"):
        te = "って"
    _enter(forms, word, Verb(word, root + te, root + i_row, root + a_row + "ない"), root + e_row)


def _enter(forms: dict[str, dict[str, Verb]], word: str, verb: Verb, order: str) -> None:
    past = verb.te[:-1] + ("た" if verb.te[-1] == "て" else "だ")
    for kind, form in (
        ("te", verb.te),
        ("order", order),
        ("ban", word + "な"),
        ("plain", word),
        ("past", past),
        ("not", verb.negative),
        ("was_not", verb.negative[:-1] + "かった"),
        ("stem", verb.stem),
    ):
        forms.setdefault(kind, {}).setdefault(form, verb)


def ends_with_form(text: str, kind: str) -> tuple[int, Verb] | None:
    """Where a known verb's form starts that ends the text, and the verb; the longest one counts."""
    forms = _verbs()[kind]
    for length in range(min(9, len(text)), 1, -1):
        form = text[-length:]
        verb = forms.get(form)
        # In kana a short verb may be the end of another word: やる in はやる.
        if verb and (not _KANA.match(form) or _may_start(text[:-length], form)):
            return len(text) - length, verb
    return None


_KANA = re.compile(r"[ぁ-ん]+$")
_BEFORE_KANA = re.compile(
    rf"(?:^|[をにはがもとでのて、。！？\s」）!?a-zA-Z0-9０-９{KANJI}{KATAKANA}]|から|まで|より|ちゃんと|って|く|しか|だけ|すぐ|[うりん])$"
)


def _may_start(before: str, form: str) -> bool:
    """Whether a verb in kana may start after this text; する and its forms may follow nearly all words."""
    if form.startswith(("し", "す")) and len(form) <= 5:
        return not before.endswith(("ま", "で", "だ", "な", "え", "け", "か"))
    return _BEFORE_KANA.search(before[-6:]) is not None


_NOUN_DOES = re.compile(rf"([{KANJI}]{{2}}|[{KATAKANA}]{{2}}|[A-Za-z]{{2}})し$")
_HAPPENING = re.compile(rf"(?:{_HAPPENS})し$")


def request_te(text: str) -> tuple[int, str] | None:
    """Where a te form starts that ends the text and that can be a request, and the form.

    A te form can also end a reason (体調を崩して), and って a quote; these are refused.
    """
    if text.endswith("して") and _NOUN_DOES.search(text[-8:-1]):
        return None if _HAPPENING.search(text[-8:-1]) else (len(text) - 2, "して")
    if re.search(r"(?<!知)[わかさたなまらがば]せて$", text[-4:]) and not text.endswith(
        ("合わせて", "任せて", "聞かせて")
    ):
        return len(text) - 1, "て"
    match = ends_with_form(text, "te")
    if not match or match[1].te in _words()["happens"]:
        return None
    return match[0], match[1].te


def te_of_stem(text: str) -> tuple[int, str] | None:
    """Where the stem of a verb starts that ends the text (as in 書きなさい), and the verb's te form."""
    form = ends_with_form(text, "stem")
    return (form[0], form[1].te) if form else None


def plain_of_te(te: str) -> str | None:
    """The dictionary form of a te form, if the verb is known."""
    if te in ("ておいて", "でおいて"):
        return te[:-2] + "く"
    verb = _verbs()["te"].get(te)
    return verb.plain if verb else None
