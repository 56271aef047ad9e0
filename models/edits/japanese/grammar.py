"""Japanese sentences and verb forms: where a sentence ends, and how its end is made polite.

There is no morphological analyser here. A form is changed only when its ending leaves no doubt: by the list
of common verbs in `japanese_verbs.txt`, or by an ending that only one class of words has. Otherwise it stays.
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


_POLITE = re.compile(
    r"(?:です|ます|でした|ました|ません|ましょう|でしょう|下さい|ください|ませ|おります|ございます|お願い)"
    r"(?:か|ね|よ|よね|かね|が|けど|けれど|けれども|から|ので|し|っけ|ー|〜|～|…|w|笑|\)|）)*$"
)


def is_polite(body: str) -> bool:
    """Whether a sentence, without its closing marks, ends politely."""
    return _POLITE.search(body) is not None


_ADJECTIVES = (
    "遅|早|速|多|少な|高|低|長|短|大き|小さ|重|軽|悪|良|よ|いい|ひど|酷|難し|やさし|易し|新し|古|正し|忙し|おかし|危な|危う|汚|きたな|狭|広"
    "|強|弱|暗|明る|暑|寒|熱|冷た|薄|厚|細か|甘|辛|苦し|厳し|きつ|つら|痛|怖|欲し|ほし|たやす|うるさ|まず|面白|つまらな|くだらな"
    "|もったいな|仕方な|しょうがな|情けな|だらしな|とんでもな|申し訳な|珍し|詳し|等し|激し|怪し|恥ずかし|嬉し|うれし|楽し|悲し|寂し"
    "|にく|やす|づら|っぽ|らし|近|遠|深|浅|固|硬|柔らか|粗|荒|甚だし|騒がし|ありがた|煩わし|紛らわし|わずらわし|やば|しんど|めんどくさ|面倒くさ|だる"
)
_I_ROW = dict(zip("わかがさただなばまら", "いきぎしちぢにびみり", strict=True))
# Each rule: an ending, and what takes its place. The first that matches decides; None: leave it alone.
_RULES: tuple[tuple[re.Pattern[str], str | None], ...] = tuple(
    (re.compile(pattern + "$"), new)
    for pattern, new in (
        (r"(捨|育|建|立|当|充|慌|隔)てた", r"\1てました"),
        (r"(捨|育|建|立|当|充|慌|隔)てる", r"\1てます"),
        (r"(捨|育|建|立|当|充|慌|隔)てない", r"\1てません"),
        (r"(?<=[いん])で(?:い)?(?:る|ん)の?", "でいます"),
        (r"(?<=[いん])で(?:い)?ない", "でいません"),
        (r"(?<=[いん])で(?:い)?た", "でいました"),
        (r"(?<=[いん])で(?:い)?なかった", "でいませんでした"),
        (r"(?<![だ])て(?:い)?る", "ています"),
        (r"て(?:い)?ない", "ていません"),
        (r"て(?:い)?た", "ていました"),
        (r"て(?:い)?なかった", "ていませんでした"),
        (r"て(?:ある)", "てあります"),
        (r"ちゃった", "てしまいました"),
        (r"ちゃって(?:い)?る", "てしまっています"),
        (r"(?<=[えきけげしせちてにねべみめりれっいん])といた", "ておきました"),
        (r"(?<=[えきけげしせちてにねべみめりれいっ])とく", "ておきます"),
        (r"(?:じゃ|では)ない", "ではありません"),
        (r"(?:じゃ|では)なかった", "ではありませんでした"),
        (
            r"(もったい|だらし|情け|とんでも|つまら|くだら|申し訳|さりげ|あっけ|はか|切|少|危|汚|しょうが)ない",
            r"\1ないです",
        ),
        (r"(?<=[きしちにびみりいくかずうつまさ高遅早多])くない", "くありません"),
        (r"くなかった", "くありませんでした"),
        (r"(?<=[がはもの])ない", "ありません"),
        (r"(?<=[がはもの])なかった", "ありませんでした"),
        (r"(問題|関係|間違い|異常|変更|予定|必要|意味)ない", r"\1ありません"),
        (r"(?<=[がはもにの])ある", "あります"),
        (r"(部署|場合|箇所|ところ|こと|もの|問題)ある", r"\1があります"),
        (r"(?<=[がはもに])いる", "います"),
        (r"だった", "でした"),
        (r"(?<=[ぁ-ん])かった", "かったです"),
        (r"(?<=[い多高遅早悪良長短]な)かった", None),
        (r"(多|高|遅|早|悪|良|長|短|弱|強|古|狭|広|暗|怖|痛|軽|重|低)かった", r"\1かったです"),
        (rf"([{KANJI}]{{2}}|[{KATAKANA}]{{2}})ない", r"\1がありません"),
        (r"(たい|ほしい|欲しい)", r"\1です"),
    )
)
_NEGATIVE = re.compile(r"([わかがさただなばまら])な(い|かった)$")
_NEGATIVE_E = re.compile(r"(?<=[えけげせてでねべめれきぎじちびみりいしけ])な(い|かった)$")
_KANJI_NOT = re.compile(r"(見|出|来|着|寝|得)な(い|かった)$")
_PAST_E = re.compile(rf"(?:[{KANJI}ぁ-ん][えけげせてねべめれきぎじちびみり]|見|出|来|着|寝|で)た$")
_ADJECTIVE = re.compile(rf"(?:{_ADJECTIVES})い$|いい$")
_DOES = re.compile(r"する$|(?<![まで])した$|しない$|しなかった$")
_NOUN = re.compile(
    rf"(?:[{KANJI}]{{2}}|[{KATAKANA}]{{3}}|[はがも、][{KANJI}]|すぎ|過ぎ|まま|だけ|ばかり|まで|ところ|予定|とのこと|なし|まだ|だめ|ダメ|[0-9０-９][{KANJI}]|OK|NG)$"
)
_DEED_AFTER_TE = re.compile(
    rf"(?<!に)[てで]、?再?[{KANJI}]{{2}}$|[てでにをへ](?:再送|再提出|再確認|連絡|報告|送付|返信|共有|転送|修正|訂正|提出)$"
)


def to_polite(body: str) -> str | None:
    """A sentence without closing marks, with its plain end made polite; None when that is not certain."""
    if is_polite(body) or len(body) < 2:
        return None
    tail = ""
    for ending, replacement in _TAILS:
        if body.endswith(ending) and len(body) > len(ending) + 1:
            body, tail = body[: -len(ending)], replacement
            break
    if tail == "だ":
        # 問題だ, 必要だよ: a noun before it. In 急いだ, 読んだ it ends a verb.
        return _polite_end(body + "だ") if body.endswith(("い", "ん")) else body + "です"
    if tail == "ですので":
        return body + tail if not body.endswith(("い", "ん")) else None
    if tail in ("ではないでしょうか", "でしょう"):
        return body + tail if _NOUN.search(body[-6:]) or body.endswith("逆") else None
    polite = _polite_end(body)
    return polite + tail if polite else None


# What may follow the predicate, longest first, and what remains of it in polite speech; "だ": the copula.
_TAILS = (
    *(
        ("んだけどね", ""),
        ("んだけど", ""),
        ("んだよね", ""),
        ("んだよ", ""),
        ("んだぞ", ""),
        ("んだわ", ""),
        ("んですけど", ""),
    ),
    *(
        ("だろ", "ではないでしょうか"),
        ("だろう", "でしょう"),
        ("だから", "ですので"),
        ("だからな", "だ"),
        ("だからね", "だ"),
        ("だからよ", "だ"),
        ("からな", ""),
        ("からね", ""),
    ),
    *(
        ("だよな", "だ"),
        ("だよね", "だ"),
        ("だぞ", "だ"),
        ("だよ", "だ"),
        ("だね", "だ"),
        ("だな", "だ"),
        ("だけど", "だ"),
    ),
    *(("よね", "よね"), ("よな", "よね"), ("けど", "が"), ("よ", ""), ("ぞ", ""), ("わ", ""), ("ね", "ね")),
    ("だ", "だ"),
)


def _polite_end(body: str) -> str | None:
    """The same, for a predicate without particles behind it."""
    if is_polite(body):
        return body
    if match := _DOES.search(body):
        new = {"する": "します", "した": "しました", "しない": "しません", "しなかった": "しませんでした"}[
            match[0]
        ]
        return body[: match.start()] + new
    if _DEED_AFTER_TE.search(body[-8:]):
        return None  # 直して再送: an order or a report, which です would hide
    for pattern, replacement in _RULES:
        if match := pattern.search(body):
            return None if replacement is None else body[: match.start()] + match.expand(replacement)
    for kind, ending in (
        ("past", "ました"),
        ("plain", "ます"),
        ("not", "ません"),
        ("was_not", "ませんでした"),
    ):
        if form := ends_with_form(body, kind):
            return body[: form[0]] + form[1].stem + ending
    if match := _NEGATIVE.search(body):
        return body[: match.start()] + _I_ROW[match[1]] + ("ません" if match[2] == "い" else "ませんでした")
    if match := _NEGATIVE_E.search(body) or _KANJI_NOT.search(body):
        end = match.end(1) if match.re is _KANJI_NOT else match.start()
        return body[:end] + ("ません" if match[0].endswith("い") else "ませんでした")
    if _PAST_E.search(body[-4:]):
        return body[:-1] + "ました"
    if re.search(rf"[{KANJI}]いた$", body[-3:]):
        return body[:-2] + "きました"
    if re.search(r"(?:[れせけげてべめえねきじちぎ])る$", body[-2:]) and not body.endswith(
        ("帰る", "しゃべる", "てる")
    ):
        return body[:-1] + "ます"
    if _ADJECTIVE.search(body[-8:]) or _NOUN.search(body[-6:]):
        return body + "です"
    return None


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
