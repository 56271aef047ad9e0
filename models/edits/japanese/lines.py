"""Japanese messages in fewer words, as labelled lines, or as sorted requirements."""

import re
from typing import NamedTuple

from models.edits import script
from models.edits.japanese.grammar import (
    KANJI,
    KATAKANA,
    plain_of_te,
    sentences,
)
from models.edits.japanese.phrases import (
    CLOSING,
    DATE,
    GREETING,
    LEAD_END,
    MOST_EDITS,
    find_request,
    is_request,
    left_out_particle,
    patterns,
    text_of,
)
from models.edits.script import Change, Edit


def summarize(message: str) -> list[Edit]:
    """Edits that shorten a message: no request, negation, condition or fact goes."""
    edits: list[Edit] = []
    parts = sentences(message)
    for index, part in enumerate(parts):
        body = text_of(message, part)
        drop, rule = 0, ""
        if len(parts) == 1:
            break
        if GREETING.search(body) and index < 2:
            drop, rule = 1, "greeting"
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
                Edit(f"summarize.{rule}", level, (Change(part.start, stop, ""),)) for level in range(drop, 4)
            ]
        elif (
            len(parts) > 3
            and index
            and _role(body, False) == "state"
            and not _MATTERS.search(body)
            and not is_request(body)
        ):
            edits.append(Edit("summarize.state", 3, (Change(part.start, part.stop, ""),)))
        elif is_request(body) and (match := _REASON_FIRST.match(body)):
            at = part.start
            edits.append(Edit("summarize.reason", 3, (Change(at, at + match.end(), ""),)))
    selves = [part for part in parts if _self(text_of(message, part))]
    for pattern, (rule, first, new) in patterns("japanese_summary.tsv", 4, 2):
        for match in pattern.finditer(message):
            text = match.expand(new)
            if text != match[0] and not any(part.start <= match.start() < part.stop for part in selves):
                # What goes at a low level also goes at a higher one, where a smaller change would win.
                levels = range(int(first), 4) if not text else (int(first),)
                change = Change(match.start(), match.end(), text)
                edits += [Edit(f"summarize.{rule}", level, (change,)) for level in levels]
    return edits


def _without_fillers(message: str) -> str:
    """A message without the fillers and polite introductions inside its sentences."""
    stops = {part.stop for part in sentences(message)}
    fillers = [
        edit
        for edit in summarize(message)[:MOST_EDITS]
        if edit.rule in ("summarize.filler", "summarize.courtesy") and edit.end not in stops
    ]
    return script.apply(message, script.select(fillers, 1, lambda edit: True))


# Words for which a sentence stays in a summary, even if nothing else asks for it.
_MATTERS = re.compile(
    rf"[0-9０-９A-Za-z一二三四五六七八九十]|さん|様|先生|部長|課長|店長|社長|ない|ません|なく|ず、|なし|場合|たら|なら|れば|以外|だけ|のみ|必ず|まで|より|最も|一番|同じ|それ|これ|その|この"
    rf"|原因|[{KATAKANA}]{{4}}|[月火水木金土日]曜|明日|今日|本日|昨日|来週|今週|来月|午前|午後|無理|難し|注意|危|必要|要|不可|可能|私|僕|正しい|済"
)


# A reason before a request. One with a negation, a condition, a person or a number stays.
_REASON_FIRST = re.compile(
    r"(?!.{0,60}(?:は|なか|ない|ません|なく|ず|なら|場合|たら|れば|さん|様|私|だけ|のみ|それ|その|まで|は、|が、|けど、))[^、。0-9０-９A-Za-z]{5,40}(?:ので|ため)、(?=.{8})"
)


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


# What somebody thinks is not certain enough for a label.
_CERTAIN = ("limit", "need", "deadline", "condition", "decision", "plan", "unneeded")
_OPINION = re.compile(r"と思(?:う|います|って(?:い)?(?:る|ます)|っております)(?:が|けど|ね|よ)?$")
_OPINION_BEFORE = re.compile(r"と思(?:う|い|っ)[^、。]{0,8}(?:が|けど)、")


def _role(body: str, asks: bool) -> str:
    if asks and not is_request(body):
        return "question" if not re.search(r"もらえ|いただけ", body) else "request"
    for pattern, (role,) in patterns("japanese_roles.tsv", 2, 1):
        if pattern.search(body):
            if role in _CERTAIN and _OPINION.search(body):
                return "state"
            if role == "limit" and _OPINION_BEFORE.search(body):
                return "state"
            return "request" if role == "open" and is_request(body) else role
    return "request" if is_request(body) else "state"


def _split(message: str) -> tuple[list[str], list[_Part], list[str]]:
    """The opening lines, the parts with their roles, and the closing lines of a message."""
    head: list[str] = []
    tail: list[str] = []
    parts: list[_Part] = []
    for sentence in sentences(message):
        body, whole = text_of(message, sentence), message[sentence.start : sentence.stop]
        if (
            not parts
            and re.search(
                "ありがとうございま(?:す|した)$|(?:申し訳(?:ございません|ありません)|失礼(?:いた)?しました)$",
                body,
            )
        ) or (
            not parts and (GREETING.search(body) or (LEAD_END.search(body) and len(body) < 40) or _self(body))
        ):
            head.append(whole)
        elif CLOSING.match(body):
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
    if not parts or (head and LEAD_END.search(head[-1].rstrip("。"))):
        return head, parts
    match = _TOPIC_LEAD.match(parts[0].text)
    if not match or (
        match[0].endswith("、")
        and not re.search(r"(?:が|けど|も|て|件|で)、$", match[0])
        and "の件" not in match[0]
    ):
        return head, parts
    topic = match["topic"]
    if (
        re.search(r"(?:さん|様|くん|先生|部長|課長|ます|です|た|る|い|て|で|ない|あと|また|ん)$", topic)
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
    for index in range(len(pieces) - 1, 0, -1):
        if _DEPENDS.match(pieces[index]):
            pieces[index - 1 : index + 1] = [pieces[index - 1] + pieces[index]]
    result = []
    for index, piece in enumerate(pieces):
        body = piece.rstrip("。！？!?、")
        if index < len(pieces) - 1:
            role = _role(re.sub("(?:が|けど|し)$", "", body), False)
            role = "reason" if body.endswith(("ので", "ため")) else "state" if role == "request" else role
            ends = re.search(r"(?:(?<!ん)です|ます|ました|ません|でした)(?:が|けど|し)$", body)
            text = re.sub(r"(?:が|けど|し)$", "", body) + "。" if ends else body
            result.append(_Part(role, text))
        else:
            result.append(_Part(_role(body, piece.endswith(("?", "？"))), piece))
    return result


_DEPENDS = re.compile(
    r"^(?!これから|これまで|この前|この間|それから|それと|それぞれ|その他|そのほか|あの[件人])(?:それ|これ|その|この(?!たび|度)|あれ|あの|そこ|そちら|そう(?:で|い|し|す|な)|(?:ダメ|だめ|駄目|無理|可能|不可|必要|不要)(?:なら|な場合|であれば|でしたら)|ただし)"
)


def _with_their_reference(parts: list[_Part]) -> list[_Part]:
    """Joins a part to the one before it when it points to it; different roles become the weakest one."""
    joined: list[_Part] = []
    for part in parts:
        if not joined or not _DEPENDS.match(part.text):
            joined.append(part)
            continue
        before = joined.pop()
        roles = {before.role, part.role}
        role = next((strong for strong in ("request", "limit", "question") if strong in roles), "state")
        joined.append(_Part(before.role if len(roles) == 1 else role, _join(before.text, part.text)))
    return joined if len(joined) > 1 else parts


def structure(message: str, intensity: int) -> str | None:
    """The sentences as points, from intensity 2 on with labels; their order stays."""
    if re.search(r"(?m)^\s*(?:[・■●◆\-*]|\d+[.)．、])", message):
        return None
    head, parts, tail = _split(_without_fillers(message))
    head, parts = _lead(parts, head)
    parts = _clauses(_with_their_reference(parts))
    if len(parts) < 2 and not any(_steps(part.text) for part in parts):
        return None
    if intensity == 1:
        lines = [line for part in parts for line in _steps(part.text) or [f"・{part.text}"]]
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
            steps = [_steps(text) for text in texts]
            if any(steps):
                lines.append(f"■{label}" if intensity == 3 else f"{label}：")
                lines += [
                    line for step, text in zip(steps, texts, strict=True) for line in step or [f"・{text}"]
                ]
            elif intensity == 2 and len(texts) == 1:
                lines.append(f"{label}：{texts[0]}")
            elif intensity == 2:
                lines += [f"{label}：", *(f"・{text}" for text in texts)]
            else:
                lines += [f"■{label}", *(f"・{text}" for text in texts)]
    return "\n".join([*head, *lines, *tail])


def _steps(text: str) -> list[str]:
    """The numbered steps of a sentence that names their order: まず…、次に…"""
    steps = re.split(r"、(?=(?:次に|その次に|その後|それから|最後に))", text)
    return [f"{number}. {step}" for number, step in enumerate(steps, 1)] if len(steps) > 2 else []


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
    r"^(?!それぞれ|その他|そのほか|これから|あの[件人])(?:それ|その|これ|この|あれ|あの|(?:ダメ|だめ|駄目)(?:なら|な場合|でしたら)|ただ|だから|そのため|ですので|でも|しかし|そこ|こちら|そちら|ずらせない|次の|最後の|残り|もう一つ)"
)


def requirements(message: str, intensity: int) -> str | None:
    """The sentences sorted by role: needs, limits, open questions; from 2 on also what is not stated."""
    head, parts, _ = _split(_without_fillers(message))
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
            joined = _join(grouped[previous].pop(), text)
            # A request shows its label, also when it points back to something else.
            if part.role in ("request", "want", "need") or (part.role == "limit" and previous != "必要"):
                previous = label
            grouped.setdefault(previous, []).append(joined)
            continue
        grouped.setdefault(label, []).append(_short(text, part.role) if intensity > 1 else text)
        previous = label
    if not any(
        label in grouped for label in ("必要", "希望", "制約", "期限", "未定", "条件", "決定", "不要")
    ):
        return None
    if intensity > 1 or len(parts) == 1:
        if "期限" not in grouped and not DATE.search(message):
            grouped.setdefault("未定", []).append("期限（書かれていません）")
        if (
            intensity > 2
            and "必要" in grouped
            and not re.search("さん|様|くん|先生|部長|課長|店長|私|誰|担当", message)
        ):
            grouped.setdefault("未定", []).append("担当者（書かれていません）")
    grouped = {label: texts for label, texts in grouped.items() if texts}
    order = list(dict.fromkeys(label for _, label in _REQUIREMENT_LABELS))
    lines = []
    for label in sorted(grouped, key=order.index):
        texts = grouped[label]
        if intensity == 1 and len(texts) == 1:
            lines.append(f"{label}：{texts[0]}")
        elif intensity == 3:
            lines += [f"■{label}", *(f"・{text}" for text in texts)]
        else:
            lines += [f"{label}：", *(f"・{text}" for text in texts)]
    head = [line for line in head if not GREETING.search(line.rstrip("。"))]
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
    request = find_request(text)
    if request and request.strength < 2 and request.start:
        if request.te.endswith("ないで"):
            return text[: request.start] + request.te[:-1]
        plain = plain_of_te(request.te)
        if plain and not re.match("聞かせ|教え|知らせ|見せ|くれ|もらっ", request.te):
            return text[: request.start] + left_out_particle(request, text) + plain
    for pattern, new in _SHORT:
        if pattern.search(text):
            result = pattern.sub(new, text, count=1)
            return result if not result.endswith(("で", "に", "は", "も", "へ", "り", "の")) else text
    return text
