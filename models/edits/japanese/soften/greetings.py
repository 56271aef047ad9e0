"""Words around a message: the opening of a request, a greeting and a closing."""

import re

from models.edits.japanese.grammar import Sentence
from models.edits.japanese.phrases import (
    ADDRESS,
    CLOSING,
    GREETING,
    POLITE_REQUEST,
    WISH,
    Request,
    entry,
    find_request,
    is_request,
    text_of,
)
from models.edits.script import Change, Edit

_OTHER_COMPANY = re.compile(r"御社|貴社|弊社")
_BEFORE_REQUEST = re.compile(r"(?:ので|が|けど|から|ため|たら|場合は|場合|なら)、")


def put_opener(message: str, sentence: Sentence, body: str) -> list[Edit]:
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
    comma = "、" if sentence.start < at and message[at - 1] not in "、， " else ""
    return [
        Edit("soften.opener", level, (Change(at, at, f"{comma}{words}"),))
        for level, words in ((2, "お手数ですが、"), (3, "恐れ入りますが、"))
    ]


def put_greeting_and_closing(
    message: str, parts: list[Sentence], asks: bool, edits_before: list[Edit]
) -> list[Edit]:
    """A greeting and a closing, as is customary."""
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
            if _OTHER_COMPANY.search(message)
            or (match and match[0].rstrip("、 ").endswith(("様", "殿", "さま")))
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
