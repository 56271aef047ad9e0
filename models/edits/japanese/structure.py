"""A Japanese message as points, with labels of what they do."""

import re

from models.edits.japanese.parts import (
    plain_line,
    split,
    split_clauses,
    take_topic,
    with_their_reference,
)
from models.edits.japanese.summary import without_fillers

_LABELS = {
    "open": "未定",
    "checking": "確認中",
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
    "detail": "詳細",
    "spec": "詳細",
    "use": "用途",
    "state": "状況",
    "bound": "詳細",
}


def structure(message: str, intensity: int) -> str | None:
    """The sentences as points, from intensity 2 on with labels; their order stays."""
    if re.search(r"(?m)^\s*(?:[・■●◆\-*]|\d+[.)．、])", message):
        return None
    head, parts, tail = split(without_fillers(message))
    head, parts = take_topic(parts, head)
    if len(parts) > 1 or not any(_steps(part.text) for part in parts):
        parts = split_clauses(with_their_reference(parts))
        if len(parts) < 2:
            return None
    if intensity == 1:
        lines = [line for part in parts for line in _steps(part.text) or [f"・{part.text}"]]
    else:
        lines = []
        groups: list[tuple[str, list[str]]] = []
        for part in parts:
            text = plain_line(part.text)
            label = _LABELS[part.role]
            if groups and groups[-1][0] == label:
                groups[-1][1].append(text)
            else:
                groups.append((label, [text]))
        for label, texts in groups:
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


# What names the order of steps: a word, or when the step before is done (10時になったら).
_NEXT_STEP = re.compile(
    r"(?:次に|その次に|その後|それから|最後に|それでも[^、。]{1,8}なら"
    r"|(?<=[てでしりきぎちびみえけせねめれいげべ]、)(?!もし|雨|万一)[^、。はが]{1,10}(?<!かっ)(?<!だっ)たら(?!、))"
)


def _steps(text: str) -> list[str]:
    """The numbered steps of a sentence that names their order: まず…、次に…"""
    starts = [match.start() for match in _NEXT_STEP.finditer(text) if text[match.start() - 1] == "、"]
    if len(starts) < 2:
        return []
    places = zip([0, *starts], [*starts, len(text)], strict=True)
    steps = [text[start:end].removesuffix("、") for start, end in places]
    return [f"{number}. {step}" for number, step in enumerate(steps, 1)]
