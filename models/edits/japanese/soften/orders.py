"""Softens orders and requests."""

import re

from models.edits.japanese.phrases import (
    POLITE_REQUEST,
    WISH,
    Request,
    find_order,
    find_request,
    left_out_particle,
)
from models.edits.japanese.polite import to_polite
from models.edits.japanese.soften.draft import Draft
from models.edits.script import Edit

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
_MAKES_DO = re.compile(r"[さわかたなまらがば]せて$(?<!知らせて|聞かせて|合わせて|済ませて)")
_MAKE_DO_ENDS = ("るようお願いします", "るようお願いできますか", "るようお願いできますでしょうか")
_STOP_ENDS = ("やめてください", "控えていただけますか", "お控えいただけますでしょうか")
_SAID = re.compile(
    r"^(?P<what>.{2,60}?)(?:って|と)(?:(?:何回|何度|前に|前|以前に|以前)(?:も)?)?(?:言った|言いました|伝えた|伝えました|お願いした|お願いしました)(?:よね|よな|でしょ|でしょう|だろ|だろう|じゃん|じゃないですか|はずですよね|はずだよね)$"
)
_HOW_OFTEN = re.compile(
    r"^(?P<what>.{2,60}?)(?:って|と)、?(?:何回|何度)(?:も)?(?:言え|言った|いえ|言わせ)(?:ば|ら)?(?:わかる|分かる|わかり|分かり|気が済む|いい|る)(?:の|ます|んだ|んですか|んでしょうか)?(?:か|よ)?$"
)
_NOTICE = re.compile(r"気[づ付]いて(?:ください|下さい|くれ|ほしい(?:です)?|欲しい(?:です)?)(?:よ|ね|よね)?$")
_NOTICE_ENDS = (
    "気づけるよう、ご確認をお願いします",
    "気づけるよう、ご確認いただければと思います",
    "気づけるよう、ご確認いただけますと幸いです",
)


def soften_repeated_order(draft: Draft) -> list[Edit] | None:
    """何回言えばわかるの: an order with the reproach that it was given before."""
    match = _HOW_OFTEN.match(draft.body)
    if match is None:
        return None
    request = find_request(match["what"])
    statement = to_polite(match["what"])
    if request is None and statement is None:
        return []
    leads = (
        "以前にもお伝えしていますが、",
        "何度かお伝えしていますが、",
        "何度かお伝えしている件で恐縮ですが、",
    )
    edits = []
    for level, lead in enumerate(leads, 1):
        if request is None:
            edits.append(draft.end("said", level, 0, f"{lead}{statement}"))
        else:
            end = _end_request(request, level, draft.requests, draft.body)[0]
            edits.append(draft.end("request_repeated", level, 0, lead + draft.body[: request.start] + end))
    return edits


def soften_reminder(draft: Draft) -> list[Edit] | None:
    """って言ったよね: a reminder of an order or of words."""
    match = _SAID.match(draft.body)
    if match is None or "自分で" in draft.body:
        return None
    order = find_order(match["what"])
    start, words = match.end("what"), "と"
    if order and order.start:
        start, words = (
            order.start,
            ("ないよう" if order.te.endswith("ないで") else order.te + "いただくよう"),
        )
        words = order.te[:-3] + words if order.te.endswith("ないで") else words
    return [
        draft.end("said", 1, start, f"{words}お伝えしていました"),
        draft.end("said", 2, start, f"{words}お伝えしておりました"),
    ]


def soften_notice(draft: Draft) -> list[Edit] | None:
    """前に気づいてください: a request to notice something earlier."""
    match = _NOTICE.search(draft.body)
    if match is None or not re.search("前に|先に|早く|ちゃんと|もっと", draft.body):
        return None
    return [
        draft.end("request_please", level, match.start(), text) for level, text in enumerate(_NOTICE_ENDS, 1)
    ]


def soften_request(draft: Draft) -> list[Edit] | None:
    """直して, 直せ, 直すな: a request, an order or a ban."""
    body = draft.body
    request = find_request(body)
    if request is None:
        return None
    if (
        request.strength == 0
        and draft.asks
        and not body.endswith(("くれる", "くれない", "もらえる", "くれないか", "くれないかな"))
    ):
        return []
    rule = (
        "request_ban"
        if request.te.endswith("ないで")
        else ("request_te", "request_please", "request_could", "request_would")[request.strength]
    )
    edits, previous = [], ""
    for level in (1, 2, 3):
        text, question = _end_request(request, level, draft.requests, body)
        if text != previous and body[request.start :] != text:
            edits.append(draft.end(rule, level, request.start, text, question))
        previous = text
    return edits


def soften_polite_request(draft: Draft) -> list[Edit] | None:
    """ご確認ください: a request that is polite already."""
    match = POLITE_REQUEST.search(draft.body)
    if match is None or re.search(r"(?:お逃げ|ご安心|ご了承|ご容赦|ご注意|お大事に|ご自由に)", match["noun"]):
        return None
    strength = 3 if match["would"] else 1
    start = match.end("noun")
    edits, previous = [], ""
    for level in (1, 2, 3):
        text = _ENDS[strength][draft.requests % 2][level - 1]
        if text != previous and draft.body[start:] != text:
            edits.append(draft.end("request_honorific", level, start, text, text.endswith("か")))
        previous = text
    return edits


def soften_wish(draft: Draft) -> list[Edit] | None:
    """お願い, ちょうだい: a wish without a verb."""
    match = WISH.search(draft.body)
    if match is None:
        return None
    polite = draft.body.endswith(("ます", "ますね", "ますよ"))
    texts: tuple[str, ...] = (
        ("お願いできますか", "お願いできますでしょうか", "お願いできますと幸いです")
        if polite
        else ("お願いします", "お願いできますか", "お願いできますでしょうか")
    )
    if match["tail"].startswith(("ちょうだい", "頂戴")):
        texts = _ENDS[1][0]
    return [
        draft.end("request_wish", level, match.start("tail"), text, text.endswith("か"))
        for level, text in enumerate(texts, 1)
    ]


def _end_request(request: Request, level: int, requests: int, body: str) -> tuple[str, bool]:
    """The words of a request from its te form on, and whether they are a question."""
    particle = left_out_particle(request, body)
    if request.te.endswith("ないで"):
        text = particle + request.te[:-3] + _BAN_ENDS[request.strength][level - 1]
        return text, text.endswith("か")
    if request.te == "やめて" and request.strength < 3:
        levels = (
            _STOP_ENDS
            if request.strength == 0
            else ("控えていただけますか", "控えていただけると助かります", "お控えいただけますでしょうか")
        )
        return particle + levels[level - 1], levels[level - 1].endswith("か")
    if request.strength == 0 and _MAKES_DO.search(body[: request.start] + request.te):
        # やり直させていただく would be what the writer does.
        text = particle + request.te[:-1] + _MAKE_DO_ENDS[level - 1]
        return text, text.endswith("か")
    text = particle + request.te + _ENDS[request.strength][requests % 2][level - 1]
    return text, text.endswith("か")
