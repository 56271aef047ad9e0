"""Edits that make a Japanese message friendlier: polite requests, polite ends, no blame."""

import re
from collections.abc import Callable, Iterator

from models.edits.japanese.grammar import (
    KANJI,
    KATAKANA,
    Sentence,
    ends_with_form,
    is_polite,
    request_te,
    sentences,
    te_of_stem,
    to_polite,
)
from models.edits.japanese.phrases import (
    ADDRESS,
    CLOSING,
    GREETING,
    POLITE_REQUEST,
    WISH,
    Request,
    entry,
    find_order,
    find_request,
    is_request,
    left_out_particle,
    object_end,
    patterns,
    text_of,
    wants_particle,
)
from models.edits.script import Change, Edit

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
    r"^(?P<what>.{2,60}?)(?:って|と)(?:(?:何回|何度|前に|前|以前に|以前)(?:も)?)?(?P<mine>言った|言いました|伝えた|伝えました|お願いした|お願いしました)(?:よね|よな|でしょ|でしょう|だろ|だろう|じゃん|じゃないですか|はずですよね|はずだよね)$"
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


_SLIP = re.compile(r"て(?:い)?ない$|(?:消し|壊し|忘れ|間違え|飛ばし|落とし|漏らし|抜かし|なくし)た$")
_STEP = re.compile(r"たら|なら|れば|ときは|時は|場合|まず|次に|その後")
_STILL = re.compile(r"(?P<join>[はも、])?まだ(?:なの|か|ですか|なんですか|でしょうか|かな|かよ)?$")


_TOO = re.compile(
    r"(?P<word>長|多|遅|早|高|低|短|狭|広|重|大き|小さ|細か|古|少な|弱|雑)(?:すぎ|過ぎ)(?:る|です|ます|だ|るよ|だよ|ですよ)?$"
)


_FAULT = re.compile(
    r"(?P<is>(?:間違っ|抜け|漏れ|残っ|ずれ|崩れ|壊れ|止まっ|落ち|切れ|汚れ|溢れ|あふれ|荒れ|欠け|遅れ|違っ|滞っ|放置され|不足し|重複し|食い違っ|開い|散らかっ|混ざっ|消え)て)(?:い)?(?P<tense>る|ます|た|ました)$"
    r"|(?P<not>(?:返っ|戻っ|届い|出|入っ|合っ|終わっ|揃っ|でき|され|守られ|反映され|更新され|閉まっ|片付い|片づい|つい|付い|来|共有され|返って来|写っ|提出され|直っ)て)(?:い)?(?P<ntense>ない|ません|なかった|ませんでした)$"
)


# What a blaming question or reproach says; the mild form says the same without the reproach.
_UNASKED = re.compile(
    r"(?P<how>勝手に|無断で|黙って|断りもなく|相談もなく)(?P<what>[^、。]{0,40}?)(?P<end>ましたよね|ましたね|ましたでしょう?)$"
)
_OWN_DEED = re.compile(r"(?:私|僕|俺|自分|うち|弊社|当社|当方)(?:たち|達|ども)?(?:が|は|も|で)")
_AGAIN = re.compile(
    rf"(?<=[、はがも])また(?P<what>[^、。]{{0,14}}[{KANJI}{KATAKANA}0-9A-Za-z])(?:なん)?ですか(?:よ|ね)?$"
)
_ASKS_WHICH = re.compile(
    r"何|いつ|誰|どこ|どれ|どち|幾|別|改め|今度|次|来週|来月|明日|あと|後|曜|[0-9０-９][時日]"
)
_MADE_TO = re.compile(
    rf"(?:何回|何度)(?:も)?(?P<deed>[{KANJI}]{{2}}|(?:やり|書き|作り|出し|送り)?直)させ(?:る|れば)"
    r"(?:の|んですか|のですか|んだよ?|つもりですか|気ですか|気が済むんですか|気が済むの)$"
)
_ONLY_NOT = re.compile(r"(?<=[てで])い?ないだけ(?:でしょう?|だろう?|ですよね|だよね|じゃないですか|じゃん)$")
_NOT_DONE = re.compile(r"(?P<te>[てで])い?ないん(?:ですか|でしょうか|だ|ですかね)$")
_NO_WISH = re.compile(
    r"(?:見る|確認する)気(?:に(?:も)?(?:なりません|なれません|ならない|なれない)|が(?:しない|起きない|起きません))$"
)
_NOTICE = re.compile(r"気[づ付]いて(?:ください|下さい|くれ|ほしい(?:です)?|欲しい(?:です)?)(?:よ|ね|よね)?$")
_NOTICE_ENDS = (
    "気づけるよう、ご確認をお願いします",
    "気づけるよう、ご確認いただければと思います",
    "気づけるよう、ご確認いただけますと幸いです",
)


_MINE = re.compile(r"私|僕|俺|自分|うち|弊社|当社|当方|こちら|こっち")


_TOPIC = re.compile(
    r"^(?P<topic>[^、。はがをもにでと]{1,24}?(?:件|書|表|資料|精算|報告|日報|申請|見積もり|見積り|見積|コード|データ|ファイル|テスト|サーバー?|画面|棚|足場|データ|伝票|返信|議事録|手順書|マニュアル|原稿|図面|設計|仕様|予算|在庫|レビュー|デザイン|スライド|グラフ|領収書|契約書|請求書|メール|チケット|機|分|号室|[A-Z]+-[0-9]+|#[0-9]+))、"
)


def soften(message: str) -> list[Edit]:
    """Edits that make orders requests, plain ends polite, and take blame and anger out."""
    edits: list[Edit] = []
    requests = 0
    parts = sentences(message)
    for sentence in parts:
        body = text_of(message, sentence)
        if GREETING.search(body) or CLOSING.match(body):
            continue
        new = list(_soften_sentence(message, sentence, body, requests, len(parts) > 1))
        asks = any(edit.rule.startswith("soften.request") for edit in new)
        if asks and not requests and not any(edit.rule == "soften.request_repeated" for edit in new):
            edits += _opener(message, sentence, body)
        requests += asks
        edits += new
    edits += _harsh_words(message, parts)
    edits += _frame(message, parts, requests > 0, edits)
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
    """An edit of a sentence's end, from `start` of its body on, and of the mark behind it."""
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
    for pattern, (new,) in patterns("japanese_anger.tsv", 2):
        if pattern.fullmatch(calm):
            if new:
                yield end("anger", 1, 0, new, new.endswith("か"))
            elif several:
                yield Edit("soften.anger_dropped", 1, (Change(sentence.start, sentence.stop, ""),))
            return
    if match := _HOW_OFTEN.match(body):
        request = find_request(match["what"])
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
        order = find_order(match["what"])
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
    if (match := _NOTICE.search(body)) and re.search("前に|先に|早く|ちゃんと|もっと", body):
        for level, text in enumerate(_NOTICE_ENDS, 1):
            yield end("request_please", level, match.start(), text)
        return
    if blame := list(_mild_blame(body, asks, end)):
        yield from blame
        return
    if request := find_request(body):
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
    if (match := POLITE_REQUEST.search(body)) and not re.search(
        r"(?:お逃げ|ご安心|ご了承|ご容赦|ご注意|お大事に|ご自由に)", match["noun"]
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
    if match := WISH.search(body):
        polite = body.endswith(("ます", "ますね", "ますよ"))
        texts: tuple[str, ...] = (
            ("お願いできますか", "お願いできますでしょうか", "お願いできますと幸いです")
            if polite
            else ("お願いします", "お願いできますか", "お願いできますでしょうか")
        )
        if match["tail"].startswith(("ちょうだい", "頂戴")):
            texts = _ENDS[1][0]
        for level, text in enumerate(texts, 1):
            yield end("request_wish", level, match.start("tail"), text, text.endswith("か"))
        return
    yield from _soften_question_or_statement(body, asks, end)


def _mild_blame(body: str, asks: bool, end: Callable[..., Edit]) -> Iterator[Edit]:
    """What a reproach tells, as a guess or a question for the reason."""
    if (match := _UNASKED.search(body)) and not _OWN_DEED.search(body):
        how = "確認なしに" if "確認" not in match["what"] else "事前の連絡なしに"
        what = match["what"]
        if re.search(rf"[{KANJI}{KATAKANA}]{{2}}し$", what):
            deeds = (what + "た", what[:-1] + "された", what[:-1] + "された")
        elif verb := te_of_stem(what):
            te = verb[1]
            deed = what[: verb[0]] + te[:-1] + ("た" if te.endswith("て") else "だ")
            deeds = (deed, deed, deed)
        else:
            return
        # A question stays a question.
        tails = ("のでしょうか",) * 3 if asks else ("ようです", "ようです", "のではないかと思います")
        for level, (deed, tail) in enumerate(zip(deeds, tails, strict=True), 1):
            yield end("tag", level, match.start(), how + deed + tail, asks)
    elif (match := _AGAIN.search(body)) and not _ASKS_WHICH.search(body):
        again = f"今回も{match['what']}"
        yield end("question", 1, match.start(), f"{again}でしょうか", True)
        if not asks:
            seems = f"{again}となっているようです。何か"
            yield end("question", 2, match.start(), f"{seems}事情があるのでしょうか", True)
            yield end("question", 3, match.start(), f"{seems}ご事情がおありでしょうか", True)
    elif match := _MADE_TO.search(body):
        deed = match["deed"]
        noun = "修正" if deed == "直" else deed + "し" if deed.endswith("直") else deed
        yield end("harsh_end", 1, match.start(), f"何度か{noun}が続いています")
    elif match := _ONLY_NOT.search(body):
        yield end("tag", 1, match.start(), "いないのではないでしょうか", True)
        yield end("fault_seems", 2, match.start(), "いないのではないかと思います")
    elif (
        (match := _NOT_DONE.search(body))
        and request_te(body[: match.end("te")])
        and not re.search("なぜ|なんで|何|どうして|誰|どこ|どれ|どの|いつ|どなた|私|こちら|弊社", body)
    ):
        te = match["te"]
        yield end("question", 1, match.start(), f"{te}いないのでしょうか", True)
        yield end("question", 2, match.start(), f"{te}いないようですが、いかがでしょうか", True)
        yield end("question", 3, match.start(), f"{te}いないようですが、ご状況はいかがでしょうか", True)
    elif match := _NO_WISH.search(body):
        yield end("harsh_end", 1, match.start(), "確認するのが難しいです")


def _request_end(request: Request, level: int, requests: int, body: str) -> tuple[str, bool]:
    """The words of a request from its te form on, and whether they are a question."""
    particle = left_out_particle(request, body)
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
        if at := object_end(what):
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
    if match := re.search(
        r"(?<=[るたい])(?:って|とは|のは)、?どういうこと(?:なの|ですか|だ|なんですか|でしょうか|よ)?$", body
    ):
        yield end("why", 1, match.start(), "のは、どのような理由でしょうか", True)
        return
    if match := re.search(r"どういうこと(?:なの|ですか|だ|なんですか|でしょうか|よ)?$", body):
        yield end("why", 1, match.start(), "どのような状況でしょうか", True)
        return
    for pattern, (new, particle) in patterns("japanese_harsh_ends.tsv", 3):
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
                wants_particle(body[:start]) or re.search(rf"[ぁ-ん][{KANJI}]$", body[:start])
            ):
                text = particle + new
            yield end("harsh_end", 1, start, text, text.endswith("か"))
            return
    if asks or body.endswith(("ですか", "ますか", "ましたか", "んだ", "の")):
        yield from _soften_question(body, asks, end)
        if asks or body.endswith("か"):
            return
    if match := _TOO.search(body):
        before = body[: match.start()]
        join = "が" if wants_particle(before) or re.search(rf"[ぁ-ん][{KANJI}]$", before) else ""
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
            if _SLIP.search(core):
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
    deed = ends_with_form(body, "plain")
    if deed and request_te(deed[1].te) and _STEP.search(body):
        polite = None  # 鳴ったら電源切る may be an order
    core = polite or body
    fault = _FAULT.search(core.removesuffix("よ"))
    if polite:
        common = _common_start(body, polite)
        if fault and fault.start() <= common and wants_particle(core[: fault.start()]):
            yield end("polite", 1, fault.start(), _subject(body, fault.start()) + polite[fault.start() :])
        elif (at := object_end(body)) and at <= common:
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
            yield end("fault_seems", 2, start, _subject(body, start) + seems)


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
    if (body.endswith("の") and (asks or re.search("誰|だれ|なぜ|何|どう|いつ", body))) or body.endswith(
        "んの"
    ):
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


def _subject(body: str, at: int) -> str:
    """が, if the subject before a predicate has lost it."""
    before = body[:at]
    return "が" if wants_particle(before) and "が" not in before else ""


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
    at = entry(message, sentence)
    request = find_request(body) or WISH.search(body) or POLITE_REQUEST.search(body)
    until = request.start if isinstance(request, Request) else request.start() if request else 0
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


def _frame(message: str, parts: list[Sentence], asks: bool, edits_before: list[Edit]) -> list[Edit]:
    """A greeting and a close, as is customary."""
    softened = bool(edits_before)
    if not parts:
        return []
    edits = []
    first, last = text_of(message, parts[0]), text_of(message, parts[-1])
    greeted = any(GREETING.search(text_of(message, part)) for part in parts[:3]) or re.match(
        "お疲れ|おつかれ|お世話|いつも|こんにちは|おはよう", first
    )
    if not greeted and "\n" not in message:
        match = ADDRESS.match(first)
        at = parts[0].start + (match.end() if match else 0)
        words = (
            "いつもお世話になっております。"
            if match and match[0].rstrip("、 ").endswith(("様", "殿", "さま"))
            else "お疲れさまです。"
        )
        edits.append(Edit("soften.greeting", 3 if softened else 1, (Change(at, at, words),)))
    closed = re.search(r"よろしく|宜しく|お願い(?:いたし|致し|申し上げ)ます", last) or CLOSING.match(last)
    if not closed and (asks or not softened):
        end = parts[-1].stop
        stop = "" if message[parts[-1].end : end] else "。"
        gap = "\n" if "\n" in message else ""
        edits.append(
            Edit(
                "soften.closing",
                # Where nothing else softens a request at intensity 2, the close does.
                3
                if softened
                and (
                    not asks
                    or any(edit.rule == "soften.opener" for edit in edits_before)
                    or not is_request(last)
                )
                else 2,
                (Change(end, end, f"{stop}{gap}よろしくお願いいたします。"),),
            )
        )
    return edits


def _harsh_words(message: str, parts: list[Sentence]) -> Iterator[Edit]:
    for pattern, (level, new) in patterns("japanese_soften.tsv", 3, 1):
        for match in pattern.finditer(message):
            yield Edit("soften.harsh_word", int(level), (Change(match.start(), match.end(), new),))
    for part in parts:
        body = text_of(message, part)
        request = find_request(body)
        if request and request.te.endswith("ないで") and "勝手に" in body:
            at = part.start + body.index("勝手に")
            new = "" if "なし" in body else "確認なしに"
            yield Edit("soften.harsh_word", 1, (Change(at, at + 3, new),))
    first = parts[0] if parts else None
    if (
        first
        and (topic := _TOPIC.match(text_of(message, first)))
        and not re.search(r"(?:さん|様|くん)$", topic["topic"])
    ):
        rest = text_of(message, first)[topic.end() :]
        if len(rest) > 3:
            at = first.start + topic.end("topic")
            if find_request(text_of(message, first)) or POLITE_REQUEST.search(rest):
                if not re.match(r"[^、。]*は", rest):
                    yield Edit("soften.topic", 1, (Change(at, at + 1, "は、"),))
            else:
                yield Edit("soften.topic", 2, (Change(at, at + 1, "ですが、"),))
