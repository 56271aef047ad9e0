"""Softens statements: harsh and plain ends become polite, and a fault only seems to be one."""

import re
from collections.abc import Iterator

from models.edits.japanese.grammar import KANJI, ends_with_form, request_te
from models.edits.japanese.phrases import common_start, object_end, patterns, wants_particle
from models.edits.japanese.polite import to_polite
from models.edits.japanese.soften.draft import Draft, subject
from models.edits.script import Edit

_SLIP = re.compile(r"[てで](?:い)?ない$|(?:消し|壊し|忘れ|間違え|飛ばし|落とし|漏らし|抜かし|なくし)た$")
_STEP = re.compile(r"たら|なら|れば|ときは|時は|場合|まず|次に|その後")
_TOO = re.compile(
    r"(?P<word>長|多|遅|早|高|低|短|狭|広|重|大き|小さ|細か|古|少な|弱|雑)(?:すぎ|過ぎ)(?:る|です|ます|だ|るよ|だよ|ですよ)?$"
)
_FAULT = re.compile(
    r"(?P<is>(?:間違っ|抜け|漏れ|残っ|ずれ|崩れ|壊れ|止まっ|落ち|切れ|汚れ|溢れ|あふれ|荒れ|欠け|遅れ|違っ|滞っ|放置され|不足し|重複し|食い違っ|開い|散らかっ|混ざっ|消え)て)(?:い)?(?P<tense>る|ます|た|ました)$"
    r"|(?P<not>(?:返っ|戻っ|届い|出|入っ|合っ|終わっ|揃っ|でき|され|守られ|反映され|更新され|閉まっ|片付い|片づい|つい|付い|来|共有され|返って来|写っ|提出され|直っ)て)(?:い)?(?P<ntense>ない|ません|なかった|ませんでした)$"
)
_MINE = re.compile(r"私|僕|俺|自分|うち|弊社|当社|当方|こちら|こっち")


def soften_harsh_end(draft: Draft) -> list[Edit] | None:
    """An end that is harsh, of `japanese_harsh_ends.tsv`."""
    body = draft.body
    for pattern, (new, particle) in patterns("japanese_harsh_ends.tsv", 3):
        if match := pattern.search(body):
            start, text = match.start(), new
            if not new:
                rest = to_polite(body[:start])
                if body[:start].endswith("だけ"):
                    rest = body[:start] + "なのが気になっています"
                if rest is None:
                    return []
                start, text = common_start(body, rest), rest[common_start(body, rest) :]
            else:
                text = _particle(body[:start], particle) + new
            return [draft.end("harsh_end", 1, start, text, text.endswith("か"))]
    return None


def _particle(before: str, particle: str) -> str:
    """A particle, if the words before it have lost theirs."""
    lost = particle and (wants_particle(before) or re.search(rf"[ぁ-ん][{KANJI}]$", before))
    return particle if lost else ""


def soften_excess(draft: Draft) -> list[Edit] | None:
    """長すぎる: too much of something."""
    match = _TOO.search(draft.body)
    if match is None:
        return None
    join, word = _particle(draft.body[: match.start()], "が"), match["word"]
    edits = [draft.end("too", 1, match.start(), f"{join}{word}すぎます")]
    if word != "雑":
        edits.append(draft.end("too", 2, match.start(), f"{join}かなり{word}いようです"))
    return edits


def soften_refusal(draft: Draft) -> list[Edit] | None:
    """無理: something cannot be done, or read."""
    body = draft.body
    if match := re.search(r"(?:無理|むり)(?:です|だ|だよ|だから)?$", body):
        join = "は" if body[: match.start()].endswith("の") else ""
        return [
            draft.end("polite", 1, match.start(), f"{join}無理です"),
            draft.end("harsh_end", 2, match.start(), f"{join}難しいです"),
        ]
    if re.search(r"読む気(?:が|も)?(?:しない|起きない|なくす|しません)$", body):
        return [draft.end("anger", 1, body.index("読む気"), "読みにくいです")]
    return None


def soften_tag(draft: Draft) -> list[Edit] | None:
    """でしょ: a statement that presses for consent."""
    body = draft.body
    match = re.search(r"(?:でしょ|だろ|ろ|でしょう)(?:が|よ)?$", body)
    if match is None:
        return None
    core = body[: match.start()]
    polite = to_polite(core)
    if (
        not polite
        or not polite.endswith(("した", "ます", "ません", "です"))
        or core.endswith(("まで", "から", "だけ"))
    ):
        return []
    common = common_start(body, polite)
    edits = [draft.end("tag", 1, common, polite[common:] + "よね")]
    if _SLIP.search(core):
        plain = re.sub("(?<=[てで])(?=(?:ない|る)$)", "い", core)
        start = len(core) if plain == core else len(core) - 2 - core.endswith("ない")
        edits.append(draft.end("fault_seems", 2, start, (plain + "ようです")[start:]))
    return edits


def soften_statement(draft: Draft) -> Iterator[Edit]:
    """A plain end, as a polite one, and a fault, as what seems to be one."""
    body = draft.body
    polite = to_polite(body)
    deed = ends_with_form(body, "plain")
    if deed and request_te(deed[1].te) and _STEP.search(body):
        polite = None  # 鳴ったら電源切る may be an order
    core = polite or body
    fault = _FAULT.search(core.removesuffix("よ"))
    if polite:
        common = common_start(body, polite)
        if fault and fault.start() <= common and wants_particle(core[: fault.start()]):
            yield draft.end(
                "polite", 1, fault.start(), subject(body, fault.start()) + polite[fault.start() :]
            )
        elif (at := object_end(body)) and at <= common:
            yield draft.end("polite", 1, at, "を" + polite[at:])
        else:
            yield draft.end("polite", 1, common, polite[common:], polite.endswith("か"))
    elif match := re.search(
        r"(?<=[^かひまあはしおゆ捨育立建充当慌隔企棄])て(?P<end>ます|ません|ました|ませんでした)(?P<tail>よ|ね|よね|が|けど)?$",
        body,
    ):
        tail = "" if match["tail"] in (None, "よ") else match["tail"]
        yield draft.end("polite", 1, match.start() + 1, f"い{match['end']}{tail}")
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
            yield draft.end("fault_seems", 2, start, subject(body, start) + seems)
