"""Edits of Japanese messages, for all transform types.

`propose` gives small edits for soften, clarify, terminology, background and summarize. Structure and
requirements arrange whole sentences, so `rewrite` builds those texts and offers each as one edit.
"""

import functools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from data.records import TransformType
from models import facts
from models.edits import script
from models.edits.japanese_grammar import (
    KANJI,
    KATAKANA,
    Sentence,
    ends_with_form,
    is_polite,
    plain_of_te,
    request_te,
    sentences,
    te_of_stem,
    to_polite,
)
from models.edits.script import Change, Edit

_HERE = Path(__file__).parent
_LETTER = re.compile(rf"[A-Za-z{KANJI}{KATAKANA}ぁ-ん]")
_KANA = re.compile(rf"[ぁ-ん{KATAKANA}]")
_JAPANESE = re.compile(rf"[ぁ-ん{KATAKANA}{KANJI}]")


def is_japanese(message: str) -> bool:
    """Whether a message is in Japanese; English terms, names and quotes in it are normal."""
    letters = len(_LETTER.findall(message))
    return len(_KANA.findall(message)) > 0 and 5 * len(_JAPANESE.findall(message)) >= letters


def propose(message: str, transform_type: TransformType) -> list[Edit]:
    """All edits of all levels for a transform type; none for structure and requirements (`rewrite`)."""
    match transform_type:
        case TransformType.SOFTEN:
            edits = _soften(message)
        case TransformType.CLARIFY:
            edits = _clarify(message)
        case TransformType.TERMINOLOGY:
            edits = _terminology(message)
        case TransformType.BACKGROUND:
            edits = _background(message)
        case TransformType.SUMMARIZE:
            edits = _summarize(message)
        case _:
            edits = []
    return _keeping_facts(message, edits[:_MOST_EDITS])


# To choose among edits takes quadratic time. No ordinary message has so many.
_MOST_EDITS = 300


def _keeping_facts(message: str, edits: list[Edit]) -> list[Edit]:
    """The edits that keep every fact; only those that touch one are applied to find out."""
    spans = sorted((span.start, span.end) for span in facts.spans(message)) if edits else []
    starts = [start for start, _ in spans]

    def touches(edit: Edit) -> bool:
        return any(
            spans[index - 1][1] > change.start
            for change in edit.changes
            if change.end > change.start and (index := bisect_left(starts, change.end))
        )

    return [edit for edit in edits if not touches(edit) or script.keeps_facts(message, edit)]


def rewrite(
    message: str,
    transform_type: TransformType,
    intensity: int,
    accepts: Callable[[Edit], bool] = lambda edit: True,
) -> str | None:
    """The message rewritten by the accepted edits; None when there is nothing good to do."""
    if intensity < 1 or not message.strip():
        return None
    if transform_type in (TransformType.STRUCTURE, TransformType.REQUIREMENTS):
        arrange = _structure if transform_type is TransformType.STRUCTURE else _requirements
        text = arrange(message, intensity)
        if text is None or not accepts(
            Edit(f"{transform_type}.lines", intensity, (Change(0, len(message), text),))
        ):
            return None
    else:
        edits = script.select(propose(message, transform_type), intensity, accepts)
        text = script.apply(message, edits)
        if transform_type is TransformType.SUMMARIZE and 33 * len(text) > 32 * len(message):
            return None  # a summary of the same length is none
    if text.strip() == message.strip() or facts.missing(message, text):
        return None
    return text


@functools.cache
def _table(name: str, columns: int) -> tuple[tuple[str, ...], ...]:
    """The rows of a file of tab-separated values next to this module, without comments; a missing end is empty."""
    lines = (_HERE / name).read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(tuple([*row, *[""] * columns][:columns]) for row in rows)


@functools.cache
def _patterns(
    name: str, columns: int, pattern: int = 0
) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """The rows of such a file: the compiled pattern, which is in the given column, and the other columns."""
    return tuple(
        (re.compile(row[pattern]), (*row[:pattern], *row[pattern + 1 :])) for row in _table(name, columns)
    )


# --- what several types need ---------------------------------------------------------------------------------

_GREETING = re.compile(
    r"(?:いつも|平素|日頃|毎度)?.{0,12}(?:お疲れ(?:様|さま)|おつかれ|お世話になっ|お世話様|おはようございます|こんにちは|こんばんは|はじめまして|初めまして"
    r"|ご無沙汰|お忙しいところ(?:すみません|失礼|恐れ入ります|申し訳)|突然(?:の|すみません)|失礼(?:いた)?します)[^、]{0,14}$|^いつもありがとう[^、]*$"
)
_CLOSING = re.compile(
    r"^(?:(?:以上|それでは|では|引き続き|何卒|どうぞ|お手数(?:です|おかけし(?:ます|て)|をおかけし(?:ます|て)|をおかけいたします)[^、]{0,4}"
    r"|ご(?:不便|迷惑|面倒)をおかけ(?:し|いたし)ますが|お忙しいところ(?:恐れ入ります|すみません|恐縮です)が?|恐れ入りますが|ご確認のほど)、?)*"
    r"(?:よろしく(?:お願い(?:し|いたし|致し|申し上げ)ます?|お願い|です|頼みます|どうぞ)?|宜しくお願い[^、]*|以上です|以上になります|以上、?|ご(?:理解|協力|了承)[^、。]{0,12}お願い[^、。]{0,8})$"
)
_ADDRESS = re.compile(
    rf"^(?:皆さん|皆様|みなさん|みなさま|皆さま|各位|関係者各位|(?:[{KANJI}{KATAKANA}ぁ-んA-Za-z・ー ]{{1,12}}?)(?<!お客)(?:さん|様|さま|くん|君|先生|部長|課長|係長|店長|社長|殿))[、，]\s?"
)
_CONJUNCTION = re.compile(
    r"^(?:なので|だから|ですので|そのため|ですから|また|あと|それと|それから|そして|ただし|ただ|でも|しかし|なお|ちなみに|では|それでは|次に)、?"
)
_DATE = re.compile(
    rf"[0-9０-９一二三四五六七八九十]+(?:月|日|時|/|:|：|分|営業日|週間|か月|年)|[月火水木金土日]曜|(?<![{KANJI}])[月火水木金土日](?:まで|中に|の朝|の午)"
    r"|本日|今日|明日|明後日|あさって|昨日|今週|来週|再来週|今月|来月|月末|週末|週明け|朝イチ|今すぐ|至急|すぐ|午前|午後|正午|夕方|今夜|期限|締め?切|期日|納期|EOD|まで(?:に|です|で)"
)
_NOTED = re.compile(r"書かれて(?:い)?(?:ない|ません)|記載(?:が)?(?:なし|あり?ません|ない)|明記")


def _body(message: str, sentence: Sentence) -> str:
    return message[sentence.start : sentence.end]


def _entry(message: str, sentence: Sentence) -> int:
    """Where words may be inserted at the start of a sentence: after a name or a conjunction."""
    at = sentence.start
    body = _body(message, sentence)
    for pattern in (_ADDRESS, _CONJUNCTION):
        if match := pattern.match(body[at - sentence.start :]):
            at += match.end()
    return at if at < sentence.end else sentence.start


# --- soften --------------------------------------------------------------------------------------------------

_REQUEST_TAIL = re.compile(
    r"(?P<plain>よ|ね|よね|な|くれ|くれよ|くれない(?:か|かな)?|くれる|ちょうだい|頂戴|ほしい|欲しい|ほしいんだけど|ほしいんだけどね|ほしいな)?"
    r"(?P<please>(?:ください|下さい)(?:ね|よ|ませ|な)?)?"
    r"(?P<could>もらえ(?:る|ない|ないか|ないかな|ます|ますか|ません|ませんか|ないですか|ないでしょうか|ますでしょうか|ませんかね|ますかね)"
    r"|もらって(?:も)?(?:いい|良い|よい)(?:ですか|でしょうか|かな|か)?|くれます(?:か)?|くれません(?:か)?"
    r"|ほしい(?:です|のですが|んですが|んですけど|です(?:ね|よ))|もらいたい(?:です)?|もらえると(?:助かる|ありがたい|嬉しい|うれしい))?"
    r"(?P<would>いただけ(?:ます|ますか|ません|ませんか|ないでしょうか)|いただきたい(?:です|のですが|んですが)?|いただいて(?:も)?(?:いい|よろしい)でしょうか)?$"
)
_POLITE_REQUEST = re.compile(
    rf"(?P<noun>(?:ご|御)[{KANJI}]{{2,6}}|お[{KANJI}ぁ-ん]{{1,6}}[りきしちみびえけせてねべめれげい])"
    r"(?:(?P<please>ください|下さい)(?:ませ|ね)?|(?P<would>いただけますか|いただけませんか|願います))$"
)
_WISH = re.compile(
    r"(?<!よろしく)(?<!宜しく)(?P<base>[をでにはもまりへ、]|くらい|まで|ほど)(?P<tail>よろしく(?:です|お願い(?:し|いたし)ます)?|お願い(?:し|いたし|致し)?(?:ます)?(?:ね|よ)?|頼む(?:よ|わ|ぞ)?|頼みます(?:ね|よ)?)$"
)
_ORDERLY = re.compile(r"(?P<noun>する|しない)こと$")


class _Request(NamedTuple):
    """A request that ends a sentence: where its te form starts, the form, and how polite the words are, 0 to 3."""

    start: int
    te: str
    strength: int


def _request(body: str) -> _Request | None:
    if body.endswith("すんな") or body.endswith("すんなよ"):
        return _Request(body.rindex("すんな"), "しないで", 0)
    for cut in range(len(body), max(0, len(body) - 16), -1):
        tail, base = body[cut:], body[:cut]
        if not base.endswith(("て", "で")) or not (match := _REQUEST_TAIL.match(tail)):
            continue
        strength = 3 if match["would"] else 2 if match["could"] else 1 if match["please"] else 0
        explicit = strength > 0 or (match["plain"] or "") not in ("", "よ", "ね", "よね", "な")
        if base.endswith("ないで"):
            return _Request(len(base) - 3, "ないで", strength)
        if re.search(r"[しきいっちりえけせてねべめれげ]といて$", base):
            return _Request(len(base) - 3, "ておいて", strength)
        if base.endswith("んどいて"):
            return _Request(len(base) - 3, "でおいて", strength)
        if form := request_te(base):
            return _Request(form[0], form[1], strength)
        if explicit and re.search(r"[いきしちりみびえけせてねべめれげっん][てで]$|[見出来寝着]て$", base):
            return _Request(len(base) - 1, base[-1], strength)
    if re.search(r"[いきしちりみびえけせてねべめれげっん]て(?:から)$|してから$", body) and len(body) > 5:
        return _Request(len(body), "にして", 0)
    if match := re.search(r"(?:^|[、は])(?P<verb>や|作|書|出|撮|送|送り)り?(?P<redo>直)し$", body):
        return _Request(match.start("redo"), "直して", 0)
    return _order(re.sub(r"[よねぞ]$", "", body))


def _order(body: str) -> _Request | None:
    """An order or a ban in plain form: 出せ, 出すな, 出しなさい, 出すこと."""
    if re.search(r"(?<![うつく])しろ$", body):
        return _Request(len(body) - 2, "して", 0)
    if match := _ORDERLY.search(body):
        return _Request(match.start(), "して" if match["noun"] == "する" else "しないで", 0)
    if body.endswith("なさい") and (form := te_of_stem(body[:-3])):
        return _Request(form[0], form[1], 0)
    for kind in ("order", "ban"):
        form2 = ends_with_form(body, kind)
        if (
            form2
            and request_te(form2[1].te)
            and body[form2[0] :] not in ("切れ", "割れ", "折れ", "売れ", "取れ", "流れ", "遅れ")
        ):
            start, verb = form2
            return _Request(start, verb.te if kind == "order" else verb.negative + "で", 0)
    return None


# For how polite a request is: the ends of its three levels, for the first request and for the next.
_ENDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("ください", "いただけますか", "いただけますでしょうか"),
        ("ください", "いただけると助かります", "いただけますと助かります"),
    ),
    (
        ("いただけますか", "いただけると助かります", "いただけますでしょうか"),
        ("いただけると助かります", "いただけますか", "いただけますと幸いです"),
    ),
    (
        ("いただけますか", "いただけますでしょうか", "いただけますと幸いです"),
        ("いただけますか", "いただけると助かります", "いただけますと助かります"),
    ),
    (
        ("いただけますでしょうか", "いただけますでしょうか", "いただけますと幸いです"),
        ("いただけると助かります", "いただけると助かります", "いただけますと幸いです"),
    ),
)
_BAN_ENDS = (
    ("ないでください", "ないようお願いします", "ないよう、お願いできますでしょうか"),
    ("ないようお願いします", "ないようお願いできますか", "ないようお願いできますでしょうか"),
    ("ないでいただけますか", "ないようお願いできますか", "ないようお願いできますでしょうか"),
    ("ないようお願いできますか", "ないようお願いできますか", "ないようお願いできますでしょうか"),
)
_STOP_ENDS = ("やめてください", "控えていただけますか", "お控えいただけますでしょうか")

_SIGH = re.compile(r"^(?:もう|ほんと|本当に|マジで|まじで|正直|さすがに|はぁ|はあ)、?")
_SAID = re.compile(
    r"^(?P<what>.{2,60}?)(?:って|と)(?:(?:何回|何度)(?:も)?)?(?P<mine>言った|言いました|伝えた|伝えました|お願いした|お願いしました)(?:よね|でしょ|じゃん|じゃないですか|はずですよね|はずだよね)$"
)
_HOW_OFTEN = re.compile(
    r"^(?P<what>.{2,60}?)(?:って|と)、?(?:何回|何度)(?:も)?(?:言え|言った|いえ|言わせ)(?:ば|ら)?(?:わかる|分かる|わかり|分かり|気が済む|いい|る)(?:の|ます|んだ|んですか|んでしょうか)?(?:か|よ)?$"
)
_WHY = re.compile(
    r"(?:なんで|何で|どうして|なぜ)(?P<what>[^、。]{2,60}?)(?P<end>の|んですか|のですか|んだ|わけ|んでしょうか|のでしょうか|のか|んだよ|わけ?ですか)$"
)
_PLAIN_END = re.compile(r"(?:[うくぐすつぬぶむる]|[たいだ])$")
_WHICH = re.compile(
    r"(?P<word>誰|だれ|いつ|どこ|何|なに|どれ|どっち|どちら|いくら|何時|何人|どう|どなた|なぜ)(?:なの|ですか|なんですか|なのか|よ|だ|か)?$"
)
_STILL = re.compile(r"(?P<join>[はも、])?まだ(?:なの|か|ですか|なんですか|でしょうか|かな|かよ)?$")
_TOO = re.compile(
    r"(?P<word>長|多|遅|早|高|低|短|狭|広|重|大き|小さ|細か|古|少な|弱|雑)(?:すぎ|過ぎ)(?:る|です|ます|だ|るよ|だよ|ですよ)?$"
)
_FAULT = re.compile(
    r"(?P<is>(?:間違っ|抜け|漏れ|残っ|ずれ|崩れ|壊れ|止まっ|落ち|切れ|汚れ|溢れ|あふれ|荒れ|欠け|遅れ|違っ|滞っ|放置され|不足し|重複し|食い違っ|開い|散らかっ|混ざっ|消え)て)(?:い)?(?P<tense>る|ます|た|ました)$"
    r"|(?P<not>(?:返っ|戻っ|届い|出|入っ|合っ|終わっ|揃っ|でき|され|守られ|反映され|更新され|閉まっ|片付い|片づい|つい|付い|来|共有され|返って来|写っ|提出され|直っ)て)(?:い)?(?P<ntense>ない|ません|なかった|ませんでした)$"
)
_MINE = re.compile(r"私|僕|俺|自分|うち|弊社|当社|当方|こちら|こっち")
_TOPIC = re.compile(
    r"^(?P<topic>[^、。はがをもにでと]{1,24}?(?:件|書|表|資料|精算|報告|日報|申請|見積もり|見積り|見積|コード|データ|ファイル|テスト|サーバー?|画面|棚|足場|データ|伝票|返信|議事録|手順書|マニュアル|原稿|図面|設計|仕様|予算|在庫|レビュー|デザイン|スライド|グラフ|領収書|契約書|請求書|メール|チケット|機|分|号室|[A-Z]+-[0-9]+|#[0-9]+))、"
)
_NUMBERED = re.compile(r"[0-9０-９]")


def _soften(message: str) -> list[Edit]:
    edits: list[Edit] = []
    requests = 0
    parts = sentences(message)
    changed: list[Sentence] = []
    for sentence in parts:
        body = _body(message, sentence)
        if _GREETING.search(body) or _CLOSING.match(body):
            continue
        new = list(_soften_sentence(message, sentence, body, requests, len(parts) > 1))
        asks = any(edit.rule.startswith("soften.request") for edit in new)
        if asks and not requests and not any(edit.rule == "soften.request_repeated" for edit in new):
            edits += _opener(message, sentence, body)
        requests += asks
        changed += [sentence] if new else []
        edits += new
    edits += _harsh_words(message, parts)
    edits += _frame(message, parts, requests > 0, bool(edits))
    return _merge_insertions(edits)


def _merge_insertions(edits: list[Edit]) -> list[Edit]:
    """Makes an insertion and a change that starts at the same place one edit, because both would collide."""
    result = list(edits)
    for edit in edits:
        change = edit.changes[0]
        if len(edit.changes) > 1 or change.start != change.end:
            continue
        beside = [
            other for other in edits if other.start == change.start and other.changes[0].end > change.start
        ]
        best = {other.level: other for other in beside if other.level <= edit.level}
        if best:
            other = best[max(best)]
            first = other.changes[0]
            merged = (Change(first.start, first.end, change.text + first.text), *other.changes[1:])
            result = [Edit(other.rule, edit.level, merged) if row is edit else row for row in result]
            result = [row for row in result if row is not other or other.level < edit.level]
    return result


def _end_edit(
    rule: str, level: int, message: str, sentence: Sentence, start: int, text: str, question: bool
) -> Edit:
    """An edit of a sentence's end, from `start` of its body on; its mark becomes a question mark or a full stop."""
    mark = message[sentence.end : sentence.stop]
    if mark:
        mark = ("？" if "?" in mark or "？" in mark else "。") if question else "。"
    return Edit(rule, level, (Change(sentence.start + start, sentence.stop, text + mark),))


def _soften_sentence(
    message: str, sentence: Sentence, body: str, requests: int, several: bool
) -> Iterator[Edit]:
    asks = bool(re.search("[?？]", message[sentence.end : sentence.stop]))

    def end(rule: str, level: int, start: int, text: str, question: bool = False) -> Edit:
        return _end_edit(f"soften.{rule}", level, message, sentence, start, text, question)

    calm = _SIGH.sub("", body)
    for pattern, (new,) in _patterns("japanese_anger.tsv", 2):
        if pattern.fullmatch(calm):
            if new:
                yield end("anger", 1, 0, new, new.endswith("か"))
            elif several:
                yield Edit("soften.anger_dropped", 1, (Change(sentence.start, sentence.stop, ""),))
            return
    if match := _HOW_OFTEN.match(body):
        request = _request(match["what"])
        if request:
            base = body[: request.start]
            lead = (
                "以前にもお伝えしていますが、",
                "何度かお伝えしていますが、",
                "何度かお伝えしている件で恐縮ですが、",
            )
            for level in (1, 2, 3):
                yield end(
                    "request_repeated",
                    level,
                    0,
                    lead[level - 1] + base + _request_end(request, level, requests, body)[0],
                )
            return
    if (match := _SAID.match(body)) and "自分で" not in body:
        order = _order(match["what"])
        start, words = match.end("what"), "と"
        if order and order.start:
            start, words = (
                order.start,
                ("ないよう" if order.te.endswith("ないで") else order.te + "いただくよう"),
            )
            words = order.te[:-3] + words if order.te.endswith("ないで") else words
        yield end("said", 1, start, f"{words}お伝えしていました")
        yield end("said", 2, start, f"{words}お伝えしておりました")
        return
    if request := _request(body):
        if (
            request.strength == 0
            and asks
            and not body.endswith(("くれる", "くれない", "もらえる", "くれないか", "くれないかな"))
        ):
            return
        rule = (
            "request_ban"
            if request.te.endswith("ないで")
            else ("request_te", "request_please", "request_could", "request_would")[request.strength]
        )
        previous = ""
        for level in (1, 2, 3):
            text, question = _request_end(request, level, requests, body)
            if text != previous and body[request.start :] != text:
                yield end(rule, level, request.start, text, question)
            previous = text
        return
    if (match := _POLITE_REQUEST.search(body)) and not re.search(
        r"(?:ご安心|ご了承|ご容赦|ご注意|お大事に|ご自由に)", match["noun"]
    ):
        strength = 3 if match["would"] else 1
        start = match.end("noun")
        previous = ""
        for level in (1, 2, 3):
            text = _ENDS[strength][requests % 2][level - 1]
            if text != previous and body[start:] != text:
                yield end("request_honorific", level, start, text, text.endswith("か"))
            previous = text
        return
    if match := _WISH.search(body):
        polite = body.endswith(("ます", "ますね", "ますよ"))
        texts = (
            ("お願いできますか", "お願いできますでしょうか", "お願いできますと幸いです")
            if polite
            else ("お願いします", "お願いできますか", "お願いできますでしょうか")
        )
        for level, text in enumerate(texts, 1):
            yield end("request_wish", level, match.start("tail"), text, text.endswith("か"))
        return
    yield from _soften_question_or_statement(body, asks, end)


def _request_end(request: _Request, level: int, requests: int, body: str) -> tuple[str, bool]:
    """The words of a request from its te form on, and whether they are a question."""
    particle = _particle(request, body)
    if request.te.endswith("ないで"):
        text = particle + request.te[:-3] + _BAN_ENDS[request.strength][level - 1]
        return text, text.endswith("か")
    if request.te == "やめて" and request.strength < 2:
        levels = (
            _STOP_ENDS
            if request.strength == 0
            else ("控えていただけますか", "控えていただけると助かります", "お控えいただけますでしょうか")
        )
        return particle + levels[level - 1], levels[level - 1].endswith("か")
    text = particle + request.te + _ENDS[request.strength][requests % 2][level - 1]
    return text, text.endswith("か")


def _soften_question_or_statement(body: str, asks: bool, end: Callable[..., Edit]) -> Iterator[Edit]:
    if match := _WHY.search(body):
        what, start = match["what"], match.start()
        what = re.sub(rf"([{KANJI}]{{2}}|[{KATAKANA}]{{2}})(?=ない$|なかった$)", r"\1が", what)
        if at := _object_end(what):
            what = f"{what[:at]}を{what[at:]}"
        if _PLAIN_END.search(what) and not is_polite(what):
            yield end("why", 1, start, f"なぜ{what}のでしょうか", True)
            yield end("why", 2, start, f"{what}理由を教えていただけますか", True)
            yield end("why", 3, start, f"{what}理由をお聞かせいただけますでしょうか", True)
        return
    if re.fullmatch(r"(?:なんで|何で|どうして|なぜ)(?:ですか|なの|だ|よ)?", body):
        yield end("why", 1, 0, "なぜでしょうか", True)
        yield end("why", 2, 0, "理由を教えていただけますか", True)
        yield end("why", 3, 0, "よろしければ、理由をお聞かせいただけますでしょうか", True)
        return
    if (match := _STILL.search(body)) and (asks or body.endswith(("か", "の", "ですか", "なの", "よ"))):
        join = match["join"] or ("は" if match.start() else "")
        yield end("still", 1, match.start(), f"{join}まだでしょうか", True)
        yield end(
            "still", 2, match.start(), f"{join}、現在どのような状況でしょうか".replace("、、", "、"), True
        )
        yield end(
            "still",
            3,
            match.start(),
            f"{join}、現在の状況をお聞かせいただけますでしょうか".replace("、、", "、").replace("も、", "、"),
            True,
        )
        return
    if match := re.search(r"どういうこと(?:なの|ですか|だ|なんですか|でしょうか|よ)?$", body):
        yield end("why", 1, match.start(), "どのような状況でしょうか", True)
        return
    for pattern, (new, particle) in _patterns("japanese_harsh_ends.tsv", 3):
        if match := pattern.search(body):
            start, text = match.start(), new
            if not new:
                rest = to_polite(body[:start])
                if body[:start].endswith("だけ"):
                    rest = body[:start] + "なのが気になっています"
                if rest is None:
                    return
                start, text = _common_start(body, rest), rest[_common_start(body, rest) :]
            elif particle and (
                _wants_particle(body[:start]) or re.search(rf"[ぁ-ん][{KANJI}]$", body[:start])
            ):
                text = particle + new
            yield end("harsh_end", 1, start, text)
            return
    if asks or body.endswith(("ですか", "ますか", "ましたか", "んだ", "の")):
        yield from _soften_question(body, asks, end)
        if asks or body.endswith("か"):
            return
    if match := _TOO.search(body):
        before = body[: match.start()]
        join = "が" if _wants_particle(before) or re.search(rf"[ぁ-ん][{KANJI}]$", before) else ""
        yield end("too", 1, match.start(), f"{join}{match['word']}すぎます")
        if match["word"] != "雑":
            yield end("too", 2, match.start(), f"{join}かなり{match['word']}いようです")
        return
    if match := re.search(r"(?:無理|むり)(?:です|だ|だよ|だから)?$", body):
        join = "は" if body[: match.start()].endswith("の") else ""
        yield end("polite", 1, match.start(), f"{join}無理です")
        yield end("harsh_end", 2, match.start(), f"{join}難しいです")
        return
    if re.search(r"読む気(?:が|も)?(?:しない|起きない|なくす|しません)$", body):
        yield end("anger", 1, body.index("読む気"), "読みにくいです")
        return
    if match := re.search(r"(?:でしょ|だろ|ろ|でしょう)(?:が|よ)?$", body):
        core = body[: match.start()]
        polite = to_polite(core)
        if (
            polite
            and polite.endswith(("した", "ます", "ません", "です"))
            and not core.endswith(("まで", "から", "だけ"))
        ):
            common = _common_start(body, polite)
            yield end("tag", 1, common, polite[common:] + "よね")
            if core.endswith(("た", "てない", "ていない", "てる", "ている")):
                plain = re.sub("て(?=(?:ない|る)$)", "てい", core)
                yield end(
                    "fault_seems",
                    2,
                    len(core) if plain == core else len(core) - 2 - core.endswith("ない"),
                    (plain + "ようです")[
                        len(core) if plain == core else len(core) - 2 - core.endswith("ない") :
                    ],
                )
        return
    polite = to_polite(body)
    core = polite or body
    fault = _FAULT.search(core)
    if polite:
        common = _common_start(body, polite)
        if fault and fault.start() <= common and _wants_particle(core[: fault.start()]):
            yield end("polite", 1, fault.start(), "が" + polite[fault.start() :])
        elif (at := _object_end(body)) and at <= common:
            yield end("polite", 1, at, "を" + polite[at:])
        else:
            yield end("polite", 1, common, polite[common:], polite.endswith("か"))
    elif match := re.search(
        r"(?<=[^かひまあはしおゆ])て(?P<end>ます|ません|ました|ませんでした)(?P<tail>よ|ね|よね|が|けど)?$",
        body,
    ):
        tail = "" if match["tail"] in (None, "よ") else match["tail"]
        yield end("polite", 1, match.start() + 1, f"い{match['end']}{tail}")
    if fault and not _MINE.search(body):
        start = fault.start()
        if fault["is"]:
            stem = fault["is"]
            if "まま" not in body:
                stem = stem.replace("放置されて", "そのままになって")
            seems = f"{stem}{'いる' if fault['tense'] in ('る', 'ます') else 'いた'}ようです"
        else:
            seems = (
                f"{fault['not']}{'いない' if fault['ntense'] in ('ない', 'ません') else 'いなかった'}ようです"
            )
        if core[:start] == body[:start]:
            yield end("fault_seems", 2, start, ("が" if _wants_particle(body[:start]) else "") + seems)


def _object_end(body: str) -> int:
    """Where を is missing before the verb that ends a sentence; 0 if nowhere."""
    for kind, text in (
        ("past", body),
        ("plain", body),
        ("not", body),
        ("te", re.sub(r"(?<=[てで])い?(?:る|た|ない|なかった)(?:んだけど|よ)?$", "", body)),
    ):
        form = ends_with_form(re.sub(r"(?:よ|んだけど)$", "", text), kind)
        if form and form[0]:
            return form[0] if _TRANSITIVE.match(body[form[0] :]) and _wants_particle(body[: form[0]]) else 0
    return 0


_BARE_NOUN = re.compile(rf"(?:[{KANJI}]{{2}}|[{KATAKANA}ー]{{2}}|[A-Za-z0-9]{{2}})$")
_NO_OBJECT = re.compile(
    rf"(?:加減|絶対|全部|全員|毎日|毎回|毎朝|毎週|今日|明日|昨日|今週|今月|来週|最低限|最優先|優先|直接|事前|至急|早急|随時|各自|自分|勝手|別途|一旦|一応|再度|手動|自動|一緒|直前|直後|以内|以上|以下|以降|以前"
    rf"|[0-9０-９一二三四五六七八九十数何毎人][{KANJI}]|[前後中時日月年朝夜昼夕際]|イチ|[{KANJI}]頃|[0-9])$"
)


def _wants_particle(before: str) -> bool:
    """Whether a bare noun ends the text, so that a particle was left out behind it, as in chats."""
    return _BARE_NOUN.search(before) is not None and _NO_OBJECT.search(before) is None


_TRANSITIVE = re.compile(
    r"^(?:(?:出|直|戻|消|渡|返|外|移|動か|探|残|足|通|回|試|隠|押|落と|鳴ら|増や|減ら)[さしすせ]|減ら|増や|止め|閉め|閉じ|開け|決め|集め|確認|修正|見せ|見直|見て|読|書|聞|置"
    r"|送|使|取|作|守|切[らりるっ]|貼|変え|替え|入れ|捨て|片付け|付け|つけ|届け|調べ|並べ|混ぜ|教え|伝え|分け|上げ|下げ|立たな|立って|準備|交換|掃除|抜か|抜い|任せ|数え|持って|叩)"
)


def _particle(request: _Request, body: str) -> str:
    """を, if the request's object has lost it."""
    if request.te == "やめて":
        return "は" if body[: request.start].endswith("の") else ""
    return "を" if _TRANSITIVE.match(body[request.start :]) and _wants_particle(body[: request.start]) else ""


def _soften_question(body: str, asks: bool, end: Callable[..., Edit]) -> Iterator[Edit]:
    if match := _WHICH.search(body):
        word = {"どっち": "どちら", "なに": "何", "誰": "どなた", "だれ": "どなた"}.get(
            match["word"], match["word"]
        )
        if word != "どう" or match.start():
            join = "は" if body[: match.start()].endswith("の") else ""
            yield end("which", 1, match.start(), f"{join}{word}でしょうか", True)
        return
    if match := re.search(r"(?:なんですか|ですか)$", body):
        if not body.endswith(("んですか", "のですか", "いいですか", "よいですか")) or body.endswith(
            "なんですか"
        ):
            yield end("question", 1, match.start(), "でしょうか", True)
        elif body.endswith(("いいですか", "よいですか")):
            yield end("question", 1, len(body) - 5, "よろしいでしょうか", True)
        else:
            yield end("question", 1, len(body) - 4, "のでしょうか", True)
        return
    if match := re.search(r"(?:んだっけ|だっけ|でしたっけ|んでしたっけ)$", body):
        yield end(
            "question", 1, match.start(), "のでしょうか" if match[0].startswith("ん") else "でしょうか", True
        )
        return
    if body.endswith(("ませんか", "ましょうか")):
        return
    if match := re.search(r"(?:ます|ました|ません)か(?:ね)?$", body):
        yield end("question", 1, match.start(), match[0].rstrip("ね").removesuffix("か") + "でしょうか", True)
        return
    if (body.endswith("の") and asks) or body.endswith("んの"):
        what = body[:-1] if not body.endswith("んの") else body[:-2] + "る"
        if (_PLAIN_END.search(what) and not what.endswith(("もの", "い"))) or what.endswith(("ない", "たい")):
            yield end(
                "question",
                1,
                len(body) - 1 - body.endswith("んの"),
                "るのでしょうか" if body.endswith("んの") else "のでしょうか",
                True,
            )
        return
    if match := re.search(r"(?:でしょ|だろ|よね|でしょう)$", body):
        polite = to_polite(body[: match.start()])
        if polite:
            common = _common_start(body, polite)
            yield end("tag", 1, common, polite[common:] + "よね", True)
        return
    if not asks:
        return
    polite = to_polite(re.sub("[かねよ]$", "", body))
    if polite and polite.endswith(("です", "ます", "ました", "ません", "でした")):
        polite = polite.removesuffix("です") + "でしょうか" if polite.endswith("です") else polite + "か"
        common = _common_start(body, polite)
        yield end("question", 1, common, polite[common:], True)


def _common_start(old: str, new: str) -> int:
    at = 0
    while at < min(len(old), len(new)) and old[at] == new[at]:
        at += 1
    return at


def _opener(message: str, sentence: Sentence, body: str) -> list[Edit]:
    """Words before the first request."""
    if re.search(
        r"恐れ入|お手数|恐縮|すみません|すいません|申し訳|お忙しい|お願いです|可能でし|よろしければ|お手すき",
        message,
    ):
        return []
    at = _entry(message, sentence)
    request = _request(body) or _WISH.search(body) or _POLITE_REQUEST.search(body)
    until = request.start if isinstance(request, _Request) else request.start() if request else 0
    clauses = [match.end() for match in _BEFORE_REQUEST.finditer(body[:until])]
    if clauses:
        at = sentence.start + clauses[-1]
        if body[: clauses[-1]].endswith(("が、", "けど、")) or clauses[-1] >= until:
            return []
    return [
        Edit("soften.opener", 2, (Change(at, at, "お手数ですが、"),)),
        Edit("soften.opener", 3, (Change(at, at, "恐れ入りますが、"),)),
    ]


_BEFORE_REQUEST = re.compile(r"(?:ので|が|けど|から|ため|たら|場合は|場合|なら)、")


def _frame(message: str, parts: list[Sentence], asks: bool, softened: bool) -> list[Edit]:
    """A greeting and a close, as is customary."""
    if not parts:
        return []
    edits = []
    first, last = _body(message, parts[0]), _body(message, parts[-1])
    greeted = any(_GREETING.search(_body(message, part)) for part in parts[:3]) or re.match(
        "お疲れ|おつかれ|お世話|いつも|こんにちは|おはよう", first
    )
    if not greeted and "\n" not in message:
        match = _ADDRESS.match(first)
        at = parts[0].start + (match.end() if match else 0)
        words = (
            "いつもお世話になっております。"
            if match and match[0].rstrip("、 ").endswith(("様", "殿", "さま"))
            else "お疲れさまです。"
        )
        edits.append(Edit("soften.greeting", 3 if softened else 1, (Change(at, at, words),)))
    closed = re.search(r"よろしく|宜しく|お願い(?:いたし|致し|申し上げ)ます", last) or _CLOSING.match(last)
    if not closed and (asks or not softened):
        end = parts[-1].stop
        stop = "" if message[parts[-1].end : end] else "。"
        gap = "\n" if "\n" in message else ""
        edits.append(
            Edit(
                "soften.closing",
                3 if softened else 2,
                (Change(end, end, f"{stop}{gap}よろしくお願いいたします。"),),
            )
        )
    return edits


def _harsh_words(message: str, parts: list[Sentence]) -> Iterator[Edit]:
    for pattern, (level, new) in _patterns("japanese_soften.tsv", 3, 1):
        for match in pattern.finditer(message):
            yield Edit("soften.harsh_word", int(level), (Change(match.start(), match.end(), new),))
    for part in parts:
        body = _body(message, part)
        request = _request(body)
        if request and request.te.endswith("ないで") and (match := re.search("勝手に", body)):
            at = part.start + match.start()
            new = "" if "なし" in body else "確認なしに"
            yield Edit("soften.harsh_word", 1, (Change(at, at + 3, new),))
    first = parts[0] if parts else None
    if (
        first
        and (match := _TOPIC.match(_body(message, first)))
        and not re.search(r"(?:さん|様|くん)$", match["topic"])
    ):
        rest = _body(message, first)[match.end() :]
        if len(rest) > 3:
            at = first.start + match.end("topic")
            if _request(_body(message, first)) or _POLITE_REQUEST.search(rest):
                if not re.match(r"[^、。]*は", rest):
                    yield Edit("soften.topic", 1, (Change(at, at + 1, "は、"),))
            else:
                yield Edit("soften.topic", 2, (Change(at, at + 1, "ですが、"),))


# --- clarify -------------------------------------------------------------------------------------------------


_VAGUE_TIME = re.compile(
    r"(?<!昨日の)(?<![0-9０-９日曜])(?P<part>午後(?:イチ|一)?|夕方|朝イチ|朝一|お?昼過ぎ|お?昼前|朝のうち)(?!から|まで|は|休|に[0-9])(?=に|で|の|、|[一-龠])(?![0-9０-９一二三四五六七八九十])(?!の?[0-9０-９一二三四五六七八九十])"
    r"|(?P<week>来週|再来週|来月|今週中|来週中)(?![のはま]|末|から|頭|以降|初|半|後半|前半|いっぱい|[月火水木金土日])(?=[、にで一-龠ァ-ヶ])(?!に?[0-9０-９])"
)


def _clarify(message: str) -> list[Edit]:
    parts = sentences(message)
    found: list[tuple[int, int, int, str, str, str]] = []
    taken: list[tuple[int, int]] = []
    for pattern, (row_rank, words, note) in _patterns("japanese_clarify.tsv", 4, 1):
        for match in pattern.finditer(message):
            rank, plain = int(row_rank), words
            if (
                len(taken) > _MOST_EDITS
                or any(a < match.end() and match.start() < b for a, b in taken)
                or match.start() == match.end()
            ):
                continue
            if message[match.end() : match.end() + 1] == "（":
                continue
            taken.append(match.span())
            noun = match.groupdict().get("noun") or ""
            if plain.startswith("普段と違う状態") and _wants_particle(message[: match.start()]):
                plain = "が" + plain
            rule = "plain_word" if not note else "pointer" if rank == 1 else "vague_word"
            found.append(
                (
                    rank,
                    match.start(),
                    match.end(),
                    (plain or match[0]).format(noun=noun),
                    note.format(noun=noun),
                    rule,
                )
            )
    for match in _VAGUE_TIME.finditer(message):
        if any(a < match.end() and match.start() < b for a, b in taken):
            continue
        note = "時刻は書かれていません" if match["part"] else "日付は書かれていません"
        found.append((2, match.start(), match.end(), match[0], note, "time"))
    found.sort(key=lambda row: row[:2])
    notes: set[str] = set()
    edits: list[Edit] = []
    for index, (rank, start, end, plain, note, rule) in enumerate(found):
        if note in notes:
            note = ""
        notes.add(note)
        level = min(3, index + 1) if note else 1 if rank < 3 else 2
        text = plain + (f"（{note}）" if note else "")
        if text != message[start:end]:
            edits.append(Edit(f"clarify.{rule}", level, (Change(start, end, text),)))
    edits += _missing_notes(
        message, parts, notes, len([edit for edit in edits if "（" in edit.changes[0].text])
    )
    return edits


def _missing_notes(message: str, parts: list[Sentence], notes: set[str], count: int) -> list[Edit]:
    """Notes behind the first request that it does not say by when, or who."""
    request = next((part for part in parts if _asks(_body(message, part))), None)
    if request is None:
        return []
    body = _body(message, request)
    plain = _request(body)
    if (
        re.search(r"たら|なら|場合|とき|時は|際|れば|まで|ごとに|毎|いつも|から", body)
        or (plain
        and plain.te.endswith("ないで"))
    ):
        return []
    by_when = not _DATE.search(message) and not any("いつまで" in note or "時" in note for note in notes)
    who = (
        plain is not None
        and plain.strength == 0
        and not re.search(
            r"^[^、。はがを]{2,6}、|さん|様|くん|先生|部長|課長|店長|誰|どなた|各自|皆|全員|各位|私|教え|知らせ|連絡|相談|返事|聞かせ|お願い",
            message,
        )
        and not any("担当" in note for note in notes)
    )
    wanted = [text for text, missing in (("いつまでにか", by_when), ("誰が対応するか", who)) if missing]
    edits = []
    at = request.stop
    for step, text in enumerate([wanted[:1], wanted] if len(wanted) == 2 else [wanted] if wanted else []):
        level = min(3, count + 1 + step)
        edits.append(
            Edit("clarify.missing", level, (Change(at, at, f"（{'と、'.join(text)}は書かれていません）"),))
        )
    return edits


def _asks(body: str) -> bool:
    return bool(
        _request(body)
        or _POLITE_REQUEST.search(body)
        or _WISH.search(body)
        or re.search(
            r"(?:助かります|幸いです|お願いできますか|お願いできますでしょうか|いただけますでしょうか|いただけますと幸いです)$",
            body,
        )
    )


# --- terminology ---------------------------------------------------------------------------------------------


class _Term(NamedTuple):
    word: str
    weight: int
    short: str
    full: str
    context: re.Pattern[str] | None


@functools.cache
def _glossary() -> tuple[dict[str, _Term], re.Pattern[str]]:
    terms = {}
    for word, weight, short, full, context in _table("glossary_ja.tsv", 5):
        terms[word] = _Term(word, int(weight), short, full, re.compile(context) if context else None)
    return terms, re.compile("|".join(map(re.escape, sorted(terms, key=len, reverse=True))))


def _terms(message: str) -> list[tuple[int, _Term]]:
    """The terms of a message that are not explained there, with the end of their first occurrence, in order."""
    terms, pattern = _glossary()
    result: dict[str, tuple[int, _Term]] = {}
    for match in pattern.finditer(message):
        term = terms[match[0]]
        before, after = message[match.start() - 1 : match.start()], message[match.end() : match.end() + 1]
        if (
            term.word in result
            or after in ("（", "(")
            or before in ("（", "(", "「", "_", "-", "/", ".")
            or _runs_on(term.word, before, after)
        ):
            continue
        if re.match(r"[-_./+]\w|」", message[match.end() : match.end() + 2]):
            continue
        if term.context and not term.context.search(message[: match.start()] + "　" + message[match.end() :]):
            continue
        if term.short in message or any(term.short == other.short for _, other in result.values()):
            continue
        result[term.word] = (match.end(), term)
    return sorted(result.values(), key=lambda row: row[0])


_KANJI_AFTER = re.compile(rf"[{KANJI}]")


def _runs_on(word: str, before: str, after: str) -> bool:
    """Whether a term is only a part of a longer word."""
    if (
        (word[0].isascii()
        and before.isascii()
        and before.isalnum())
        or (word[-1].isascii()
        and after.isascii()
        and after.isalnum())
    ):
        return True
    if re.match("[ぁ-ん]", word[-1]) and re.match("[ぁ-んー]", after) and after not in "はがをにのとでもへや":
        return True
    kata = re.compile(f"[{KATAKANA}]")
    if (kata.match(word[0]) and kata.match(before)) or (kata.match(word[-1]) and kata.match(after)):
        return True
    kanji = _KANJI_AFTER
    if kanji.match(word[0]) and kanji.match(before):
        return True
    return bool(
        kanji.match(word[-1])
        and (
            (kanji.match(after)
            and after not in "前後中時済待")
            or (after == "し"
            and word in ("棚卸", "切り戻", "申し送", "仕訳"))
        )
    )


def _terminology(message: str) -> list[Edit]:
    terms = _terms(message)
    if not terms:
        return []
    first = max(terms, key=lambda row: (row[1].weight, -row[0]))[1]
    edits = []
    for at, term in terms:
        texts = {1: term.short} if term is first else {}
        if len(terms) > 1:
            texts |= {2: term.short, 3: term.full}
        else:
            texts |= {2: term.full}
        edits += [
            Edit("terminology.explain", level, (Change(at, at, f"（{text}）"),))
            for level, text in texts.items()
        ]
    return edits


# --- background ----------------------------------------------------------------------------------------------

_REASON = re.compile(
    r"ため(?!に[はも])|ので|のため|理由|原因|により|都合|影響|せい(?:で|です)|おかげ|背景|経緯|(?<![0-9０-９時日月分])(?:です|ます|た|る|い|だ)から|に伴|なぜなら|なんで|なぜ|どうして|んで、"
)


def _background(message: str) -> list[Edit]:
    if _NOTED.search(message):
        return []
    parts = [
        part
        for part in sentences(message)
        if not _GREETING.search(_body(message, part)) and not _CLOSING.match(_body(message, part))
    ]
    edits: list[Edit] = []
    terms = sorted(_terms(message), key=lambda row: -row[1].weight)
    note = _note(message, parts)
    if (
        note is None
        and not terms
        and parts
        and len(message) < 80
        and not message.rstrip("。 ").endswith(("か", "？", "?"))
    ):
        note = parts[-1], "詳しい経緯", "詳しい経緯", "general"
    if note is not None:
        sentence, what, more, rule = note
        at = sentence.stop
        stop = "" if message[sentence.end : sentence.stop] else "。"
        texts = (
            f"{what}は書かれていません。",
            f"{more}は書かれていません。",
            f"{more}は書かれていませんので、必要な場合はご確認ください。",
        )
        for level, text in enumerate(texts, 1):
            if level != 2 or what != more:
                edits.append(Edit(f"background.{rule}", level, (Change(at, at, stop + text),)))
    for rank, (at, term) in enumerate(terms):
        level = 1 if note is None and not rank else 2 if rank < 2 else 3
        edits.append(Edit("background.term", level, (Change(at, at, f"（{term.short}）"),)))
    return edits


_ANNOUNCES = re.compile(r"(?:ました|ます|です)ので、?(?:ご連絡|お知らせ|ご報告|ご案内)")
_GIVES_REASON = re.compile(
    r"(?:ので|から|ため|ためです|からです|んで)$|^(?:理由|原因|というのも|なぜなら|たぶん|おそらく|どうやら)"
)
_BY = re.compile(
    rf"[{KANJI}{KATAKANA}]で、?(?:[^、。]{{0,6}})(?:遅れ|止ま|落ち|停止|中止|延期|休|壊れ|変更|変わ|欠席|閉鎖|閉館)"
)
_SO = re.compile(r"^(?:なので|そのため|だから|ですから|したがって|これにより|それで)")


def _note(message: str, parts: list[Sentence]) -> tuple[Sentence, str, str, str] | None:
    """What the message does not say: the sentence behind which a note belongs, the note, a longer one, and the rule."""
    bodies = [_ANNOUNCES.sub("", _body(message, part)) for part in parts]
    known: set[str] = set()
    for index, (part, body) in enumerate(zip(parts, bodies, strict=True)):
        after = bodies[index + 1] if index + 1 < len(bodies) else ""
        if explained := bool(
            _REASON.search(body) or _BY.search(body) or _GIVES_REASON.search(after) or _SO.search(body)
        ) or _LEAD_END.search(body):
            known |= {
                what
                for pattern, (what, _) in _patterns("japanese_events.tsv", 3)
                if explained and pattern.search(body)
            }
            continue
        if re.search("[?？]", message[part.end : part.stop]) or body.endswith("か"):
            continue
        for pattern, (what, rule) in _patterns("japanese_events.tsv", 3):
            if not pattern.search(body) or what in known:
                continue
            if re.search(
                "未定|調査中|確認中|検討中|ありません|ございません|なければ|場合|たら|次第|たい(?:です)?$|できれば|かも|でしょうか|大丈夫|問題な",
                body,
            ):
                break
            if (
                (rule == "absence"
                and re.search("で(?:お?休|欠席|退職)", body))
                or (what == "原因"
                and "原因" in message)
                or (_asks(body)
                and rule != "limit")
            ):
                break
            if (
                rule == "limit"
                and not _asks(body)
                and not re.search("(?:ません|ない|できなくなり?ます|禁止です|禁止)$", body)
            ):
                break
            return part, what, f"{what}と、{_MORE[rule]}" if _lacks(message, rule) else what, rule
    general = any(_REASON.search(body) for body in bodies)
    asking = next((part for part in parts if _asks(_body(message, part))), None)
    body = _body(message, asking) if asking else ""
    request = _request(body)
    when = not re.search(
        r"たら|なら|場合|とき|時は|際|れば|ごとに|毎|やめ|控え|ない(?:で|よう)", body
    ) and not (request and request.te.endswith("ないで"))
    if asking and when and not _DATE.search(message):
        return (
            asking,
            "期限",
            "期限と、依頼の理由"
            if not general
            else "期限と、担当者"
            if not re.search("さん|様|先生|誰", message)
            else "期限",
            "deadline",
        )
    if asking and not general:
        return asking, "依頼の理由", "依頼の理由や経緯", "purpose"
    ends = message[parts[-1].end : parts[-1].stop] if parts else ""
    if (
        not asking
        and parts
        and not general
        and not re.search("[?？]", ends)
        and not _body(message, parts[-1]).endswith("か")
    ):
        return parts[-1], "この連絡の背景", "この連絡の背景や経緯", "general"
    return None


_MORE = {
    "change": "変更前の内容",
    "cause": "影響の範囲",
    "decision": "決めた人",
    "limit": "いつまでか",
    "absence": "代わりの担当者",
    "stop": "今後の予定",
    "transfer": "異動前の部署",
}


def _lacks(message: str, rule: str) -> bool:
    """Whether the message also lacks the second thing to note."""
    present = {
        "change": r"から|予定し|当初|これまで|元は|ではなく|じゃなく|旧|変更なし",
        "cause": r"影響|以外|だけ|無事|大丈夫|範囲|利用できません|使えません",
        "stop": r"予定|再開|次回|来期|来月|来週|改めて|まで|から|代わり|代替",
        "transfer": r"から|前は|後任",
        "decision": r"部長|課長|社長|会議|委員会|理事会|役員|さん|様|先生|先方|総務|人事|甲|乙|私",
        "limit": r"まで|本日|今日|期間|当面|常に|いつも|場合|以降|明日|今週|毎",
        "absence": r"代わり|代理|後任|引き継|担当|応援",
    }
    return not re.search(present[rule], message)


# --- summarize -----------------------------------------------------------------------------------------------


def _summarize(message: str) -> list[Edit]:
    edits: list[Edit] = []
    parts = sentences(message)
    for index, part in enumerate(parts):
        body = _body(message, part)
        drop, rule = 0, ""
        if len(parts) == 1:
            break
        if _GREETING.search(body) and index < 2:
            drop, rule = 1, "greeting"
        elif _CLOSING.match(body) and index > 0:
            drop, rule = 1, "closing"
        elif not re.search("[?？]", message[part.end : part.stop]):
            drop, rule = next(
                (
                    (int(level), name)
                    for pattern, (name, level) in _patterns("japanese_left_out.tsv", 3, 2)
                    if pattern.search(body)
                ),
                (0, ""),
            )
        if drop:
            stop = part.stop + (message[part.stop : part.stop + 1] == "\n")
            edits += [
                Edit(f"summarize.{rule}", level, (Change(part.start, stop, ""),)) for level in range(drop, 4)
            ]
        elif (
            len(parts) > 3
            and index
            and _role(body, False) == "state"
            and not _MATTERS.search(body)
            and not _asks(body)
        ):
            edits.append(Edit("summarize.state", 3, (Change(part.start, part.stop, ""),)))
        elif _asks(body) and (match := _REASON_FIRST.match(body)):
            at = part.start
            edits.append(Edit("summarize.reason", 3, (Change(at, at + match.end(), ""),)))
    selves = [part for part in parts if _self(_body(message, part))]
    for pattern, (rule, first, new) in _patterns("japanese_summary.tsv", 4, 2):
        for match in pattern.finditer(message):
            text = match.expand(new)
            if text != match[0] and not any(part.start <= match.start() < part.stop for part in selves):
                edits.append(
                    Edit(f"summarize.{rule}", int(first), (Change(match.start(), match.end(), text),))
                )
    return edits


# Words for which a sentence stays in a summary, even if nothing else asks for it.
_MATTERS = re.compile(
    rf"[0-9０-９A-Za-z一二三四五六七八九十]|さん|様|先生|部長|課長|店長|社長|ない|ません|なく|ず、|なし|場合|たら|なら|れば|以外|だけ|のみ|必ず|まで|より|最も|一番|同じ|それ|これ|その|この"
    rf"|原因|[{KATAKANA}]{{4}}|[月火水木金土日]曜|明日|今日|本日|昨日|来週|今週|来月|午前|午後|無理|難し|注意|危|必要|要|不可|可能|私|僕|正しい|済"
)
# A reason before a request. One with a negation, a condition, a person or a number stays.
_REASON_FIRST = re.compile(
    r"(?!.{0,60}(?:は|なか|ない|ません|なく|ず|なら|場合|たら|れば|さん|様|私|だけ|のみ|それ|その|まで|は、|が、|けど、))[^、。0-9０-９A-Za-z]{5,40}(?:ので|ため)、(?=.{8})"
)


# --- structure and requirements ------------------------------------------------------------------------------

_STRUCTURE_LABELS = {
    "open": "未定",
    "question": "質問",
    "unneeded": "不要",
    "limit": "注意",
    "wish": "希望",
    "request": "お願い",
    "reason": "理由",
    "deadline": "期限",
    "condition": "条件",
    "decision": "決定",
    "plan": "予定",
    "need": "必要",
    "want": "要望",
    "note": "補足",
    "state": "状況",
}
_LEAD_END = re.compile(
    r"(?:の件(?:です|について)?|について(?:です|お知らせします|ご連絡します|のお知らせです|ご報告します)?|お知らせです|ご連絡です|ご相談です|引き継ぎです|報告です|確認です|話です|お願いです|伝言です|共有です)$"
)
_TOPIC_LEAD = re.compile(
    r"^(?P<topic>[^、。はがをもへ]{1,22}?)(?P<ken>の件|のこと)?(?:なんですけれども|なんですけど|なんですが|ですけれども|ですけど|ですが|につきまして|について|に関して|の件で|、)、?(?=.{6})"
)
_CLAUSE = re.compile(
    r"(?<=ので、)|(?<=ため、)|(?<=ますが、)|(?<=ですが、)|(?<=ましたが、)|(?<=ませんが、)|(?<=でしたが、)|(?<=ですけど、)|(?<=ますけど、)|(?<=ますし、)|(?<=ですし、)"
)


_LONG_CLAUSE = re.compile(
    _CLAUSE.pattern
    + r"|(?<=くて、)|(?<=って、)|(?<=して、)|(?<=いて、)|(?<=んですが、)|(?<=んですけど、)|(?<=たり、)"
)


class _Part(NamedTuple):
    role: str
    text: str


def _role(body: str, asks: bool) -> str:
    if asks and not _asks(body):
        return "question" if not re.search(r"もらえ|いただけ", body) else "request"
    for pattern, (role,) in _patterns("japanese_roles.tsv", 2, 1):
        if pattern.search(body):
            return role
    return "request" if _asks(body) else "state"


def _split(message: str) -> tuple[list[str], list[_Part], list[str]]:
    """The opening lines, the parts with their roles, and the closing lines of a message."""
    head: list[str] = []
    tail: list[str] = []
    parts: list[_Part] = []
    for sentence in sentences(message):
        body, whole = _body(message, sentence), message[sentence.start : sentence.stop]
        if (not parts and re.search(
            "ありがとうございま(?:す|した)$|(?:申し訳(?:ございません|ありません)|失礼(?:いた)?しました)$",
            body,
        )) or (not parts and (
            _GREETING.search(body) or (_LEAD_END.search(body) and len(body) < 40) or _self(body)
        )):
            head.append(whole)
        elif _CLOSING.match(body):
            tail.append(whole)
        else:
            asks = bool(re.search("[?？]", whole[len(body) :]))
            role = _role(body, asks)
            if role == "reason" and parts and re.search("(?:ので|ため|から|んで)$", body):
                parts[-1] = _Part(parts[-1].role, parts[-1].text + whole)
            else:
                parts.append(_Part(role, whole))
    return head, parts, tail


def _self(body: str) -> bool:
    """Whether a sentence only says who writes: 総務の呉です."""
    return (
        re.fullmatch(rf"[{KANJI}{KATAKANA}ぁ-んA-Za-z]{{0,14}}の?[{KANJI}{KATAKANA}]{{1,6}}です", body)
        is not None
        and len(body) < 18
        and "まだ" not in body
    )


def _lead(parts: list[_Part], head: list[str]) -> tuple[list[str], list[_Part]]:
    """Takes the topic from the first sentence: 3号機なんですが、…"""
    if not parts or (head and _LEAD_END.search(head[-1].rstrip("。"))):
        return head, parts
    match = _TOPIC_LEAD.match(parts[0].text)
    if (
        not match
        or (match[0].endswith("、")
        and not re.search(r"(?:が|けど|も|て|件|で)、$", match[0])
        and "の件" not in match[0])
    ):
        return head, parts
    topic = match["topic"]
    if (
        re.search(r"(?:さん|様|くん|先生|部長|課長|ます|です|た|る|い|て|で|ない|あと|また)$", topic)
        or len(topic) < 2
    ):
        return head, parts
    end = "" if topic.endswith("件") else "の件"
    rest = parts[0].text[match.end() :]
    return [*head, f"{topic}{end}です。"], [
        _Part(_role(rest.rstrip("。！？!?"), rest.endswith(("?", "？"))), rest),
        *parts[1:],
    ]


def _clauses(parts: list[_Part]) -> list[_Part]:
    """Splits a single sentence at its clauses."""
    if len(parts) != 1:
        return parts
    text = parts[0].text
    pieces = [piece for piece in (_LONG_CLAUSE if len(text) > 60 else _CLAUSE).split(text) if piece]
    if len(pieces) < 2 or any(len(piece) < 6 for piece in pieces):
        return parts
    result = []
    for index, piece in enumerate(pieces):
        body = piece.rstrip("。！？!?、")
        if index < len(pieces) - 1:
            role = (
                "reason"
                if body.endswith(("ので", "ため"))
                else _role(re.sub("(?:が|けど|し)$", "", body), False)
            )
            ends = re.search(r"(?:(?<!ん)です|ます|ました|ません|でした)(?:が|けど|し)$", body)
            text = (re.sub(r"(?:が|けど|し)$", "", body) if ends else body) + "。"
            result.append(_Part(role, text))
        else:
            result.append(_Part(_role(body, piece.endswith(("?", "？"))), piece))
    return result


def _structure(message: str, intensity: int) -> str | None:
    if re.search(r"(?m)^\s*(?:[・■●◆\-*]|\d+[.)．、])", message):
        return None
    head, parts, tail = _split(message)
    head, parts = _lead(parts, head)
    parts = _clauses(parts)
    if len(parts) < 2:
        return None
    if intensity == 1:
        lines = [f"・{part.text}" for part in parts]
    else:
        lines = []
        groups: list[tuple[str, list[str]]] = []
        for part in parts:
            text = _plain_line(part.text)
            if groups and groups[-1][0] == part.role:
                groups[-1][1].append(text)
            else:
                groups.append((part.role, [text]))
        for role, texts in groups:
            label = _STRUCTURE_LABELS[role]
            if intensity == 2 and len(texts) == 1:
                lines.append(f"{label}：{texts[0]}")
            elif intensity == 2:
                lines += [f"{label}：", *(f"・{text}" for text in texts)]
            else:
                lines += [f"■{label}", *(f"・{text}" for text in texts)]
    return "\n".join([*head, *lines, *tail])


def _plain_line(text: str) -> str:
    """A sentence as a line: without its full stop and the conjunction before it."""
    text = re.sub(r"^(?:なので|また|あと|それと|それから|なお|ちなみに|そして)、?", "", text)
    return text[:-1] if text.endswith("。") and "。" not in text[:-1] else text


_REQUIREMENT_LABELS = (
    ("state", "状況"),
    ("need", "必要"),
    ("want", "必要"),
    ("request", "必要"),
    ("wish", "希望"),
    ("deadline", "期限"),
    ("condition", "条件"),
    ("limit", "制約"),
    ("unneeded", "不要"),
    ("decision", "決定"),
    ("plan", "予定"),
    ("reason", "理由"),
    ("note", "補足"),
    ("question", "確認"),
    ("open", "未定"),
)
_POINTS_BACK = re.compile(
    r"^(?:それ|その|これ|この|ただ|だから|そのため|ですので|でも|しかし|そこ|こちら|そちら|ずらせない|次の|最後の|残り|もう一つ)"
)


def _requirements(message: str, intensity: int) -> str | None:
    head, parts, tail = _split(message)
    head, parts = _lead(parts, head)
    parts = _clauses(parts)
    if not parts:
        return None
    grouped: dict[str, list[str]] = {}
    labels = dict(_REQUIREMENT_LABELS)
    previous = ""
    for part in parts:
        text = _plain_line(part.text)
        label = labels[part.role]
        if previous and _POINTS_BACK.match(text) and not part.text.startswith(("ただし", "ただ、")):
            grouped[previous][-1] = _join(grouped[previous][-1], text)
            continue
        grouped.setdefault(label, []).append(_short(text, part.role) if intensity > 1 else text)
        previous = label
    if not any(
        label in grouped for label in ("必要", "希望", "制約", "期限", "未定", "条件", "決定", "不要")
    ):
        return None
    if intensity > 1 or len(parts) == 1:
        if "期限" not in grouped and not _DATE.search(message):
            grouped.setdefault("未定", []).append("期限（書かれていません）")
        if (
            intensity > 2
            and "必要" in grouped
            and not re.search("さん|様|くん|先生|部長|課長|店長|私|誰|担当", message)
        ):
            grouped.setdefault("未定", []).append("担当者（書かれていません）")
    order = list(dict.fromkeys(label for _, label in _REQUIREMENT_LABELS))
    lines = []
    for label in sorted(grouped, key=order.index):
        texts = grouped[label]
        if (intensity == 1 and len(texts) == 1) or (intensity == 2 and len(texts) == 1 and len(grouped) > 1):
            lines.append(f"{label}：{texts[0]}")
        elif intensity == 3:
            lines += [f"■{label}", *(f"・{text}" for text in texts)]
        else:
            lines += [f"{label}：", *(f"・{text}" for text in texts)]
    head = [line for line in head if not _GREETING.search(line.rstrip("。"))]
    return "\n".join([*head, *lines])


def _join(first: str, second: str) -> str:
    return f"{first}{'' if first.endswith(('。', '？', '?')) else '。'}{second}"


_SHORT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern + "$"), new)
    for pattern, new in (
        (r"ないでください", "ないこと"),
        (r"ないようお願い(?:し|いたし)ます", "ないこと"),
        (r"([一-龠]{2})してください", r"\1すること"),
        (r"を?お願い(?:し|いたし)ます", ""),
        (r"(?<!み)たいです", "たい"),
        (r"てほしいです", "てほしい"),
        (r"が必要です", "が必要"),
        (r"は未定です", "は未定"),
        (r"必須です", "必須"),
    )
)


def _short(text: str, role: str) -> str:
    """A need in few words, where that is certain."""
    if "。" in text:
        return text
    request = _request(text)
    if request and request.strength < 2 and request.start:
        if request.te.endswith("ないで"):
            return text[: request.start] + request.te[:-1]
        plain = plain_of_te(request.te)
        if plain and not re.match("聞かせ|教え|知らせ|見せ|くれ|もらっ", request.te):
            return text[: request.start] + _particle(request, text) + plain
    for pattern, new in _SHORT:
        if pattern.search(text):
            result = pattern.sub(new, text, count=1)
            return result if not result.endswith(("で", "に", "は", "も", "へ", "り", "の")) else text
    return text
