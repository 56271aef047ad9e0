"""Replaces harsh words, and takes anger out."""

import re
from collections.abc import Iterator

from models.edits.japanese.grammar import Sentence
from models.edits.japanese.phrases import POLITE_REQUEST, find_request, patterns, text_of
from models.edits.japanese.soften.draft import Draft
from models.edits.script import Change, Edit

_SIGH = re.compile(r"^(?:もう|ほんと|本当に|マジで|まじで|正直|さすがに|はぁ|はあ)、?")
_TOPIC = re.compile(
    r"^(?P<topic>[^、。はがをもにでと]{1,24}?(?:件|書|表|資料|精算|報告|日報|申請|見積もり|見積り|見積|コード|データ|ファイル|テスト|サーバー?|画面|棚|足場|伝票|返信|議事録|手順書|マニュアル|原稿|図面|設計|仕様|予算|在庫|レビュー|デザイン|スライド|グラフ|領収書|契約書|請求書|メール|チケット|機|分|号室|[A-Z]+-[0-9]+|#[0-9]+))、"
)


def soften_anger(draft: Draft) -> list[Edit] | None:
    """A sentence that is only anger, of `japanese_anger.tsv`."""
    calm = _SIGH.sub("", draft.body)
    for pattern, (new,) in patterns("japanese_anger.tsv", 2):
        if not pattern.fullmatch(calm):
            continue
        if new:
            return [draft.end("anger", 1, 0, new, new.endswith("か"))]
        if not draft.several:
            return []
        change = Change(draft.sentence.start, draft.sentence.stop, "")
        return [Edit("soften.anger_dropped", 1, (change,))]
    return None


def replace_harsh_words(message: str, parts: list[Sentence]) -> Iterator[Edit]:
    """Milder words anywhere in a message, and a mild start of its topic."""
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
