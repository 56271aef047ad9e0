"""What the Japanese edits share: tables, customary phrases, and how requests are recognised."""

import functools
import re
from pathlib import Path
from typing import NamedTuple

from models.edits.japanese.grammar import (
    KANJI,
    KATAKANA,
    Sentence,
    ends_with_form,
    request_te,
    te_of_stem,
)

# To choose among edits takes quadratic time. No ordinary message has so many.
MOST_EDITS = 300

_HERE = Path(__file__).parent


@functools.cache
def table(name: str, columns: int) -> tuple[tuple[str, ...], ...]:
    """The rows of a table next to this module, without comments; missing last columns are empty."""
    lines = (_HERE / name).read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(tuple([*row, *[""] * columns][:columns]) for row in rows)


@functools.cache
def patterns(
    name: str, columns: int, pattern: int = 0
) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """The rows of such a table: the compiled pattern, which is in the given column, and the other columns."""
    return tuple(
        (re.compile(row[pattern]), (*row[:pattern], *row[pattern + 1 :])) for row in table(name, columns)
    )


GREETING = re.compile(
    r"(?:いつも|平素|日頃|毎度)?.{0,12}(?:お疲れ(?:様|さま)|おつかれ|お世話になっ|お世話様|おはようございます|こんにちは|こんばんは|はじめまして|初めまして"
    r"|ご無沙汰|お忙しいところ(?:すみません|失礼|恐れ入ります|申し訳)|突然(?:の|すみません)|失礼(?:いた)?します)[^、]{0,14}$|^いつもありがとう[^、]*$"
)


CLOSING = re.compile(
    r"^(?:(?:以上|それでは|では|引き続き|何卒|どうぞ|お手数(?:です|おかけし(?:ます|て)|をおかけし(?:ます|て)|をおかけいたします)[^、]{0,4}"
    r"|ご(?:不便|迷惑|面倒)をおかけ(?:し|いたし)ますが|お忙しいところ(?:恐れ入ります|すみません|恐縮です)が?|恐れ入りますが|ご確認のほど)、?)*"
    r"(?:よろしく(?:お願い(?:し|いたし|致し|申し上げ)ます?|お願い|です|頼みます|どうぞ)?|宜しくお願い[^、]*|以上です|以上になります|以上、?|ご(?:理解|協力|了承)[^、。]{0,12}お願い[^、。]{0,8})$"
)


ADDRESS = re.compile(
    rf"^(?:皆さん|皆様|みなさん|みなさま|皆さま|各位|関係者各位|"
    rf"(?:[{KANJI}{KATAKANA}ぁ-んA-Za-z・ー ]{{1,12}}?)"
    r"(?<!お客)(?:さん|様|さま|くん|君|先生|部長|課長|係長|店長|社長|殿))[、，]\s?"
)


_CONJUNCTION = re.compile(
    r"^(?:なので|だから|ですので|そのため|ですから|また|あと|それと|それから|そして|ただし|ただ|でも|しかし|なお|ちなみに|では|それでは|次に)、?"
)


DATE = re.compile(
    rf"[0-9０-９一二三四五六七八九十]+(?:月|日|時|/|:|：|分|営業日|週間|か月|年)|[月火水木金土日]曜|(?<![{KANJI}])[月火水木金土日](?:まで|中に|の朝|の午)"
    r"|本日|今日|明日|明後日|あさって|昨日|今週|来週|再来週|今月|来月|月末|週末|週明け|朝イチ|今すぐ|至急|すぐ|午前|午後|正午|夕方|今夜|期限|締め?切|期日|納期|EOD|まで(?:に|です|で)"
)


NOTED = re.compile(r"書かれて(?:い)?(?:ない|ません)|記載(?:が)?(?:なし|あり?ません|ない)|明記")


def text_of(message: str, sentence: Sentence) -> str:
    """A sentence without its closing marks."""
    return message[sentence.start : sentence.end]


def entry(message: str, sentence: Sentence) -> int:
    """Where words may be inserted at the start of a sentence: after a name or a conjunction."""
    at = sentence.start
    body = text_of(message, sentence)
    for pattern in (ADDRESS, _CONJUNCTION):
        if match := pattern.match(body[at - sentence.start :]):
            at += match.end()
    return at if at < sentence.end else sentence.start


_REQUEST_TAIL = re.compile(
    r"(?P<plain>よ|ね|よね|な|くれ|くれよ|くれない(?:か|かな)?|くれる|ちょうだい|頂戴|ほしい|欲しい|ほしいんだけど|ほしいんだけどね|ほしいな)?"
    r"(?P<please>(?:ください|下さい)(?:ね|よ|ませ|な)?)?"
    r"(?P<could>もらえ(?:る|ない|ないか|ないかな|ます|ますか|ません|ませんか|ないですか|ないでしょうか|ますでしょうか|ませんかね|ますかね)"
    r"|もらって(?:も)?(?:いい|良い|よい)(?:ですか|でしょうか|かな|か)?|くれますか|くれません(?:か)?"
    r"|ほしい(?:です|のですが|んですが|んですけど|です(?:ね|よ))|もらいたい(?:です)?|もらえると(?:助かる|ありがたい|嬉しい|うれしい))?"
    r"(?P<would>いただけ(?:ます|ますか|ません|ませんか|ないでしょうか)|いただきたい(?:です|のですが|んですが)?|いただいて(?:も)?(?:いい|よろしい)でしょうか)?$"
)


POLITE_REQUEST = re.compile(
    rf"(?P<noun>(?:ご|御)[{KANJI}]{{2,6}}|(?<![てで])(?:[{KANJI}]{{2}}|を)(?=ください|下さい)|お[{KANJI}ぁ-ん]{{1,6}}[りきしちみびえけせてねべめれげい])"
    r"(?:(?P<please>ください|下さい)(?:ませ|ね)?|(?P<would>いただけますか|いただけませんか|願います))$"
)


WISH = re.compile(
    r"(?<!よろしく)(?<!宜しく)(?P<base>[をでにはもまりへ、]|くらい|まで|ほど|直し|確認|対応|修正|提出|連絡|返信|共有|送付|準備|手配|調整|報告|記入|入力|再送|検討)(?P<tail>よろしく(?:です|お願い(?:し|いたし)ます)?|お願い(?:し|いたし|致し)?(?:ます)?(?:ね|よ)?|(?<!に)頼む(?:よ|わ|ぞ)?|(?<!に)頼みます(?:ね|よ)?|ちょうだい(?:ね|よ)?|頂戴(?:ね)?)$"
)


_ORDERLY = re.compile(r"(?P<noun>する|しない)こと$")


class Request(NamedTuple):
    """The request that ends a sentence: where its te form starts, the form, and its politeness, 0 to 3."""

    start: int
    te: str
    strength: int


# A bare noun of a deed after a te form is an order: 直して再送.
_DEED_AFTER_TE = re.compile(
    r"(?<=[てで])(?<!として)(?<!対して)(?<!関して)、?(?:再提出|再送信?|再確認|提出|送付|送信|返信|返送|転送|共有|連絡|報告|修正|訂正|確認|更新|登録|削除|添付|入力|対応)$"
)


# But in a log or a plan of one's own it tells what happened or will.
_TOLD = re.compile(
    rf"昨日|昨夜|先日|先週|今朝|さっき|先ほど|済|私|僕|俺|自分|うち|弊社|当社|当方|こちら|こっち|(?:[{KANJI}{KATAKANA}]|さん|くん)が"
    r"|[0-9０-９](?:時|分)?(?:頃|ごろ)?に"
)


def find_request(body: str) -> Request | None:
    """The request that ends a sentence: an order, a ban, or a polite one with a te form."""
    if body.endswith("すんな") or body.endswith("すんなよ"):
        return Request(body.rindex("すんな"), "しないで", 0)
    for cut in range(len(body), max(0, len(body) - 16), -1):
        tail, base = body[cut:], body[:cut]
        if not base.endswith(("て", "で")) or not (match := _REQUEST_TAIL.match(tail)):
            continue
        strength = 3 if match["would"] else 2 if match["could"] else 1 if match["please"] else 0
        explicit = strength > 0 or (match["plain"] or "") not in ("", "よ", "ね", "よね", "な")
        if base.endswith("ないで"):
            return Request(len(base) - 3, "ないで", strength)
        if re.search(r"[しきいっちりえけせてねべめれげ]といて$", base):
            return Request(len(base) - 3, "ておいて", strength)
        if re.search(r"[しきいっちりみびえけせねべめれげ]ておいて$|んでおいて$", base):
            return Request(len(base) - 4, base[-4:], strength)
        if base.endswith("んどいて"):
            return Request(len(base) - 3, "でおいて", strength)
        if form := request_te(base):
            return Request(form[0], form[1], strength)
        if explicit and re.search(r"[いきしちりみびえけせてねべめれげっん][てで]$|[見出来寝着]て$", base):
            return Request(len(base) - 1, base[-1], strength)
    if re.search(r"[いきしちりみびえけせてねべめれげっん]て(?:から)$|してから$", body) and len(body) > 5:
        return Request(len(body), "にして", 0)
    if match := re.search(r"(?:^|[、は])(?P<verb>や|作|書|出|撮|送|送り)り?(?P<redo>直)し$", body):
        return Request(match.start("redo"), "直して", 0)
    if re.search(
        r"(?:から|まで|までに|至急|すぐ|今日中に?|、|^)(?:再提出|再送|再確認|修正|訂正|差し替え)$", body
    ):
        return Request(len(body), "して", 0)
    if (
        (match := _DEED_AFTER_TE.search(body))
        and not _TOLD.search(body)
        and request_te(body[: match.start()])
    ):
        return Request(len(body), "して", 0)
    return find_order(re.sub(r"[よねぞ]$", "", body))


def find_order(body: str) -> Request | None:
    """An order or a ban in plain form: 出せ, 出すな, 出しなさい, 出すこと."""
    if re.search(r"(?<![うつく])しろ$", body):
        return Request(len(body) - 2, "して", 0)
    if match := _ORDERLY.search(body):
        return Request(match.start(), "して" if match["noun"] == "する" else "しないで", 0)
    if body.endswith("なさい") and (form := te_of_stem(body[:-3])):
        return Request(form[0], form[1], 0)
    for kind in ("order", "ban"):
        form2 = ends_with_form(body, kind)
        if (
            form2
            and request_te(form2[1].te)
            and body[form2[0] :] not in ("切れ", "割れ", "折れ", "売れ", "取れ", "流れ", "遅れ")
        ):
            start, verb = form2
            return Request(start, verb.te if kind == "order" else verb.negative + "で", 0)
    return None


def object_end(body: str) -> int:
    """Where を is missing before the verb that ends a sentence; 0 if nowhere."""
    for kind, text in (
        ("past", body),
        ("plain", body),
        ("not", body),
        ("te", re.sub(r"(?<=[てで])い?(?:る|た|ない|なかった)(?:んだけど|よ)?$", "", body)),
    ):
        form = ends_with_form(re.sub(r"(?:よ|んだけど)$", "", text), kind)
        if form and form[0]:
            return form[0] if _TRANSITIVE.match(body[form[0] :]) and wants_particle(body[: form[0]]) else 0
    return 0


_BARE_NOUN = re.compile(rf"(?:[{KANJI}]{{2}}|[{KATAKANA}ー]{{2}}|[A-Za-z0-9]{{2}})$")


_NO_OBJECT = re.compile(
    rf"(?:加減|全然|結局|一部|相当|随分|多少|突然|当然|本当|実際|依然|現在|最近|結果|度々|絶対|全部|全員|毎日|毎回|毎朝|毎週|今日|明日|昨日|今週|今月|来週|最低限|最優先|優先|直接|事前|至急|早急|随時|各自|自分|勝手|別途|一旦|一応|再度|手動|自動|一緒|直前|直後|以内|以上|以下|以降|以前"
    rf"|[0-9０-９一二三四五六七八九十数何毎人][{KANJI}]|[前後中時日月年朝夜昼夕際]|イチ|[{KANJI}]頃|[0-9])$"
)


def wants_particle(before: str) -> bool:
    """Whether a bare noun ends the text, so that a particle was left out behind it, as in chats."""
    return _BARE_NOUN.search(before) is not None and _NO_OBJECT.search(before) is None


_TRANSITIVE = re.compile(
    r"^(?:(?:出|直|戻|消|渡|返|外|移|動か|探|残|足|通|回|試|隠|押|落と|鳴ら|増や|減ら)[さしすせ]|減ら|増や|止め|閉め|閉じ|開け|決め|集め|確認|修正|見せ|見直|見て|読|書|聞|置"
    r"|送|使|取|作|守|切[らりるっ]|貼|変え|替え|入れ|捨て|片付け|付け|つけ|届け|調べ|並べ|混ぜ|教え|伝え|分け|上げ|下げ|立たな|立って|準備|交換|掃除|抜か|抜い|任せ|数え|持って|叩)"
)


def left_out_particle(request: Request, body: str) -> str:
    """を, if the request's object has lost it."""
    if request.te == "やめて":
        return "は" if body[: request.start].endswith("の") else ""
    return "を" if _TRANSITIVE.match(body[request.start :]) and wants_particle(body[: request.start]) else ""


def is_request(body: str) -> bool:
    """Whether a sentence ends with a request of any form."""
    return bool(
        find_request(body)
        or POLITE_REQUEST.search(body)
        or WISH.search(body)
        or re.search(
            r"(?:助かります|幸いです|お願いできますか|お願いできますでしょうか|いただけますでしょうか|いただけますと幸いです)$",
            body,
        )
    )


# Requests for which nobody would ask by when.
_NO_DEADLINE = re.compile(
    r"たら|なら|場合|とき|時は|際|れば|まで|ごとに|毎|いつも|から|やめ|控え"
    r"|先に|待|様子|気をつけ|気を付け|注意|そのまま|使って|使用|気軽|遠慮|一度|次から|次回から|今後|必ず|絶対|ないよう|自分で"
)


def takes_deadline(body: str) -> bool:
    """Whether one may ask by when a request is to be done: not so for a ban, a rule or a condition."""
    request = find_request(body)
    return not _NO_DEADLINE.search(body) and not (request and request.te.endswith("ないで"))


LEAD_END = re.compile(
    r"(?:の件(?:です|について)?|について(?:です|のお知らせです)?|(?:の件で|について|に関して)、?[ごお]?(?:報告|連絡|共有|案内|知らせ|相談)(?:です|(?:いた|致)?します|させていただきます)|(?:結果|状況|内容|概要|進捗|要点|経緯|流れ|日程)を[ごお]?(?:共有|報告|連絡|案内|知らせ|説明)(?:いた)?します|について(?:書き|まとめ|お伝えし)ます|お知らせです|ご連絡です|ご相談です|引き継ぎです|申し送りです|案内です|進捗です|流れです|報告です|確認です|話です|お願いです|伝言です|共有です)$"
)


def common_start(old: str, new: str) -> int:
    """How many characters two texts share at their start."""
    at = 0
    while at < min(len(old), len(new)) and old[at] == new[at]:
        at += 1
    return at
