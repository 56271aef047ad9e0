"""A Japanese message in fewer words."""

import re

from models.edits import script
from models.edits.japanese.grammar import KANJI, KATAKANA, Sentence, sentences
from models.edits.japanese.parts import names_writer, role_of
from models.edits.japanese.phrases import (
    ADDRESS,
    CLOSING,
    GREETING,
    LEAD_END,
    MOST_EDITS,
    common_start,
    is_request,
    patterns,
    text_of,
)
from models.edits.japanese.polite import is_polite, to_plain
from models.edits.script import Change, Edit


def summarize(message: str) -> list[Edit]:
    """Edits that shorten a message: no request, negation, condition or fact goes."""
    edits: list[Edit] = []
    parts = sentences(message)
    for index, part in enumerate(parts):
        body = text_of(message, part)
        drop, rule, start = 0, "", part.start
        if len(parts) == 1:
            break
        if GREETING.search(body) and index < 2:
            drop, rule = 1, "greeting"
            if (address := ADDRESS.match(body)) and not _EVERYBODY.match(body):
                start += address.end()
        elif CLOSING.match(body) and index > 0:
            drop, rule = 1, "closing"
        elif not re.search("[?？]", message[part.end : part.stop]):
            drop, rule = next(
                (
                    (int(level), name)
                    for pattern, (name, level) in patterns("japanese_left_out.tsv", 3, 2)
                    if pattern.search(body)
                ),
                (0, ""),
            )
        if drop:
            stop = part.stop + (message[part.stop : part.stop + 1] == "\n")
            edits += [
                Edit(f"summarize.{rule}", level, (Change(start, stop, ""),)) for level in range(drop, 4)
            ]
        elif (
            len(parts) > 3
            and index
            and role_of(body, False) == "state"
            and not _MATTERS.search(body)
            and not is_request(body)
        ):
            edits.append(Edit("summarize.state", 3, (Change(part.start, part.stop, ""),)))
        elif is_request(body) and (match := _REASON_FIRST.match(body)):
            at = part.start
            edits.append(Edit("summarize.reason", 3, (Change(at, at + match.end(), ""),)))
    edits += _plain_ends(message, parts)
    selves = [part for part in parts if names_writer(text_of(message, part))]
    for pattern, (rule, first, new) in patterns("japanese_summary.tsv", 4, 2):
        for match in pattern.finditer(message):
            text = match.expand(new)
            if text != match[0] and not any(part.start <= match.start() < part.stop for part in selves):
                # What goes at a low level also goes at a higher one, where a smaller change would win.
                levels = range(int(first), 4) if not text else (int(first),)
                change = Change(match.start(), match.end(), text)
                edits += [Edit(f"summarize.{rule}", level, (change,)) for level in levels]
    return edits


# Who writes so to a customer keeps the polite form.
_HONORIFIC = re.compile(
    rf"[お御](?!願|客|弁当|茶|金|昼|盆|店|皿|湯|酒|箸)[{KANJI}]|ご[{KANJI}]|いただ|ございま|いたし|おりま|様|申し|存じ|拝見|弊社|貴社"
)
_LONG = 50  # characters
_TAIL = 30  # characters that decide how an end becomes plain
_TOPIC_LEAD = re.compile(
    r"[^、。はがをもへでに]{1,20}(?:なんです|(?<![んの])です)(?:が|けど|けれど|けれども)、"
)
_POLITE_INSIDE = re.compile(
    rf"(?:(?:ん|の|なん)?です|ませんでした|でした|ました|ません|ます)(?=(?P<joint>が|けど|けれど|ので|し|から)[、{KANJI}{KATAKANA}])"
)


def _plain_ends(message: str, parts: list[Sentence]) -> list[Edit]:
    """Plain ends for all statements, or for none: polite and plain ends do not mix."""
    if len(message) < _LONG or _HONORIFIC.search(message):
        return []
    edits = []
    for part in parts:
        body = text_of(message, part)
        if GREETING.search(body) or CLOSING.match(body) or names_writer(body) or LEAD_END.search(body):
            continue
        lead = match.end() if (match := _TOPIC_LEAD.match(body)) else 0
        places = [(match.end(), match["joint"]) for match in _POLITE_INSIDE.finditer(body, lead)]
        asks = body.endswith("か") or re.search("[?？]", message[part.end : part.stop])
        if is_polite(body) and not is_request(body) and not asks:
            places.append((len(body), ""))
        for end, joint in places:
            tail = body[max(0, end - _TAIL) : end]
            if (plain := to_plain(tail, joint)) is None:
                return []
            start = part.start + end - len(tail) + common_start(tail, plain)
            change = Change(start, part.start + end, plain[common_start(tail, plain) :])
            edits.append(Edit("summarize.plain", 3, (change,)))
    return edits


def without_fillers(message: str) -> str:
    """A message without the fillers and polite introductions inside its sentences."""
    stops = {part.stop for part in sentences(message)}
    fillers = [
        edit
        for edit in summarize(message)[:MOST_EDITS]
        if edit.rule in ("summarize.filler", "summarize.courtesy") and edit.end not in stops
    ]
    return script.apply(message, script.select(fillers, 1, lambda edit: True))


_EVERYBODY = re.compile(r"皆|みな|各位|関係者")


# Words for which a sentence stays in a summary, even if nothing else asks for it.
_MATTERS = re.compile(
    rf"[0-9０-９A-Za-z一二三四五六七八九十]|さん|様|先生|部長|課長|店長|社長|ない|ません|なく|ず、|なし|場合|たら|なら|れば|以外|だけ|のみ|必ず|まで|より|最も|一番|同じ|それ|これ|その|この"
    rf"|原因|[{KATAKANA}]{{4}}|[月火水木金土日]曜|明日|今日|本日|昨日|来週|今週|来月|午前|午後|無理|たい|つもり|予定|方針|ほしい|べき|提案|反対|賛成|困|来年|今年|去年|変え|変わ|こっち|こちら|うち|当方|難し|注意|危|必要|要|不可|可能|私|僕|正しい|済"
)


# A reason before a request. One with a negation, a condition, a person or a number stays.
_REASON_FIRST = re.compile(
    r"(?!.{0,60}(?:は|なか|ない|ません|なく|ず|なら|場合|たら|れば|さん|様|私|だけ|のみ|それ|その|まで|は、|が、|けど、))[^、。0-9０-９A-Za-z]{5,40}(?:ので|ため)、(?=.{8})"
)
