"""How the end of a Japanese sentence is made polite.

An end is changed only when it leaves no doubt: by the list of common verbs in `japanese_verbs.txt`, or by an
ending that only one class of words has. Otherwise it stays.
"""

import re

from models.edits.japanese.grammar import KANJI, KATAKANA, ends_with_form

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
        (r"(?<=しか)ない", "ありません"),
        (r"(?<=しか)なかった", "ありませんでした"),
        (r"(?<=[0-9０-９][人名台個件本枚])(?:いる)", "います"),
        (r"(?<=[0-9０-９][人名台個件本枚])(?:ある)", "あります"),
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
    rf"(?:[{KANJI}]{{2}}|[{KATAKANA}]{{3}}|[はがも、][{KANJI}]|すぎ|過ぎ|まま|だけ|ばかり|まで|ところ|予定|締め|とのこと|なし|まだ|だめ|ダメ|[0-9０-９][{KANJI}]|OK|NG)$"
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


_PLAIN_ENDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern + "$"), new)
    for pattern, new in (
        *(
            # 捨てます is no 捨ています.
            (rf"(?:(?<=[てで])い|(?<![捨育立建充当慌隔企棄茹撫][てで])(?<=[てで])){polite}", plain)
            for polite, plain in (
                ("ます", "いる"),
                ("ました", "いた"),
                ("ません", "いない"),
                ("ませんでした", "いなかった"),
            )
        ),
        (r"(?<=[てで])おります", "いる"),
        (rf"(?<=[{KANJI}{KATAKANA}]{{2}})(?:を)?(?:し|いたし)ます", "する"),
        (rf"(?<=[{KANJI}{KATAKANA}]{{2}})(?:を)?(?:し|いたし)ました", "した"),
        (rf"(?<=[{KANJI}{KATAKANA}]{{2}})しません", "しない"),
        (r"(?<=[がはもに])(?:あります|ございます)", "ある"),
        (r"(?<=[がはもに])(?:ありました|ございました)", "あった"),
        (r"(?<=[がはも])(?:ありません|ございません)", "ない"),
        (r"(?<=[いるたうくぐすつむぶ])(?:の|ん)です", ""),
        (r"(?<=い)です", ""),
        (rf"(?<=[{KANJI}{KATAKANA}0-9A-Za-z])でした", "だった"),
    )
)
_AFTER_NOUN = re.compile(
    rf"(?:(?<=[{KANJI}{KATAKANA}0-9A-Za-zうとちみ）)])|(?<=みたい)|(?<=くらい)|(?<=ぐらい)|(?<=違い)|(?<=扱い)|(?<=払い))(?:な[のん])?です$"
)
# The copula before what joins two clauses: 予定だが, 予定なので. At the end of a sentence it goes.
_COPULA = {"": "", "ので": "な"}


def to_plain(body: str, joint: str = "") -> str | None:
    """A polite statement with a plain end; None when that is not certain.

    `body` ends before its closing mark, or before what joins it to the next clause (が, ので).
    """
    if match := _AFTER_NOUN.search(body):
        return body[: match.start()] + _COPULA.get(joint, "だ")
    for pattern, new in _PLAIN_ENDS:
        if match := pattern.search(body):
            return body[: match.start()] + new
    for ending in ("ませんでした", "ました", "ません", "ます"):
        if body.endswith(ending):
            if (form := ends_with_form(body.removesuffix(ending), "stem")) is None:
                return None
            start, verb = form
            past = verb.te[:-1] + ("た" if verb.te.endswith("て") else "だ")
            plain = {"ます": verb.plain, "ました": past, "ません": verb.negative}
            return body[:start] + plain.get(ending, verb.negative[:-1] + "かった")
    return None
