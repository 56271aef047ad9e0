"""A Japanese message as needs, wishes, limits and what is open."""

import re

from models.edits.japanese.grammar import KANJI, KATAKANA, plain_of_te
from models.edits.japanese.parts import (
    join,
    plain_line,
    split,
    split_clauses,
    take_topic,
)
from models.edits.japanese.phrases import (
    DATE,
    GREETING,
    find_request,
    left_out_particle,
)
from models.edits.japanese.summary import without_fillers

_LABELS = (
    ("state", "状況"),
    ("need", "必要"),
    ("want", "必要"),
    ("request", "必要"),
    ("wish", "希望"),
    ("deadline", "期限"),
    ("condition", "条件"),
    ("spec", "条件"),
    ("bound", "条件"),
    ("limit", "制約"),
    ("unneeded", "不要"),
    ("decision", "決定"),
    ("plan", "予定"),
    ("reason", "理由"),
    ("detail", "詳細"),
    ("use", "用途"),
    ("note", "補足"),
    ("question", "確認"),
    ("open", "未定"),
    ("checking", "未定"),
)


_POINTS_BACK = re.compile(
    r"^(?!それぞれ|その他|そのほか|これから|あの[件人])(?:それ|その|これ|この|あれ|あの|(?:ダメ|だめ|駄目)(?:なら|な場合|でしたら)|ただ|だから|そのため|ですので|でも|しかし|そこ|こちら|そちら|ずらせない|次の|最後の|残り|もう一つ)"
)


# 用紙はA2、光沢ありで: what something is to be, as far as the words show, and no situation.
_IS = re.compile(
    rf"[^、。はがを]{{1,14}}は[^。が]{{1,40}}(?:(?<![いんう])です|で|[{KANJI}{KATAKANA}0-9０-９A-Za-z])"
)


def requirements(message: str, intensity: int) -> str | None:
    """The sentences sorted by role: needs, limits, open questions; from 2 on also what is not stated."""
    head, parts, _ = split(without_fillers(message))
    head, parts = take_topic(parts, head)
    parts = split_clauses(parts)
    if not parts:
        return None
    grouped: dict[str, list[str]] = {}
    labels = dict(_LABELS)
    previous = ""
    for part in parts:
        text = plain_line(part.text)
        label = labels["detail" if part.role == "state" and _IS.fullmatch(text) else part.role]
        if previous and _POINTS_BACK.match(text) and not part.text.startswith(("ただし", "ただ、")):
            joined = join(grouped[previous].pop(), text)
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
    order = list(dict.fromkeys(label for _, label in _LABELS))
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
