"""Softens questions."""

import re
from collections.abc import Iterator

from models.edits.japanese.grammar import KANJI, KATAKANA
from models.edits.japanese.phrases import common_start, object_end
from models.edits.japanese.polite import is_polite, to_polite
from models.edits.japanese.soften.draft import Draft
from models.edits.script import Edit

_WHY = re.compile(
    r"(?:なんで|何で|どうして|なぜ)(?P<what>[^、。]{2,60}?)(?:の|んですか|のですか|んだ|わけ|んでしょうか|のでしょうか|のか|んだよ|わけ?ですか)$"
)
_PLAIN_END = re.compile(r"(?:[うくぐすつぬぶむる]|[たいだ])$")
_WHICH = re.compile(
    r"(?P<word>誰|だれ|いつ|どこ|何|なに|どれ|どっち|どちら|いくら|何時|何人|どう|どなた|なぜ)(?:なの|ですか|なんですか|なのか|よ|だ|か)?$"
)
_STILL = re.compile(r"(?P<join>[はも、])?まだ(?:なの|か|ですか|なんですか|でしょうか|かな|かよ)?$")
_WHAT_REASON = re.compile(
    r"(?<=[るたい])(?:って|とは|のは)、?どういうこと(?:なの|ですか|だ|なんですか|でしょうか|よ)?$"
)
_WHAT_STATE = re.compile(r"どういうこと(?:なの|ですか|だ|なんですか|でしょうか|よ)?$")


def soften_why(draft: Draft) -> list[Edit] | None:
    """なんで: a question for the reason."""
    if match := _WHY.search(draft.body):
        what, start = match["what"], match.start()
        what = re.sub(rf"([{KANJI}]{{2}}|[{KATAKANA}]{{2}})(?=ない$|なかった$)", r"\1が", what)
        if at := object_end(what):
            what = f"{what[:at]}を{what[at:]}"
        if not _PLAIN_END.search(what) or is_polite(what):
            return []
        texts = (
            f"なぜ{what}のでしょうか",
            f"{what}理由を教えていただけますか",
            f"{what}理由をお聞かせいただけますでしょうか",
        )
        return [draft.end("why", level, start, text, True) for level, text in enumerate(texts, 1)]
    if re.fullmatch(r"(?:なんで|何で|どうして|なぜ)(?:ですか|なの|だ|よ)?", draft.body):
        texts = (
            "なぜでしょうか",
            "理由を教えていただけますか",
            "よろしければ、理由をお聞かせいただけますでしょうか",
        )
        return [draft.end("why", level, 0, text, True) for level, text in enumerate(texts, 1)]
    return None


def soften_still(draft: Draft) -> list[Edit] | None:
    """まだ？: a question whether something is done at last."""
    match = _STILL.search(draft.body)
    if match is None or not (draft.asks or draft.body.endswith(("か", "の", "ですか", "なの", "よ"))):
        return None
    join = match["join"] or ("は" if match.start() else "")
    state = f"{join}、現在どのような状況でしょうか".replace("、、", "、")
    request = f"{join}、現在の状況をお聞かせいただけますでしょうか".replace("、、", "、").replace(
        "も、", "、"
    )
    return [
        draft.end("still", level, match.start(), text, True)
        for level, text in enumerate((f"{join}まだでしょうか", state, request), 1)
    ]


def soften_what(draft: Draft) -> list[Edit] | None:
    """どういうこと: a question what something is supposed to mean."""
    if match := _WHAT_REASON.search(draft.body):
        return [draft.end("why", 1, match.start(), "のは、どのような理由でしょうか", True)]
    if match := _WHAT_STATE.search(draft.body):
        return [draft.end("why", 1, match.start(), "どのような状況でしょうか", True)]
    return None


def soften_question(draft: Draft) -> Iterator[Edit]:
    """A question in plain or blunt words, as a polite one."""
    body = draft.body
    if match := _WHICH.search(body):
        word = {"どっち": "どちら", "なに": "何", "誰": "どなた", "だれ": "どなた"}.get(
            match["word"], match["word"]
        )
        if word != "どう" or match.start():
            join = "は" if body[: match.start()].endswith("の") else ""
            yield draft.end("which", 1, match.start(), f"{join}{word}でしょうか", True)
        return
    if match := re.search(r"んじゃないです(?:か|かね)$", body):
        yield draft.end("question", 1, match.start(), "のではないでしょうか", True)
        return
    if match := re.search(r"じゃないです(?:か|かね)$", body):
        if not body[: match.start()].endswith(("る", "た", "い", "ん", "う", "す")):
            yield draft.end("question", 1, match.start(), "ではないでしょうか", True)
        return
    if match := re.search(r"(?:なんですか|ですか)$", body):
        if not body.endswith(("んですか", "のですか", "いいですか", "よいですか")) or body.endswith(
            "なんですか"
        ):
            yield draft.end("question", 1, match.start(), "でしょうか", True)
        elif body.endswith(("いいですか", "よいですか")):
            yield draft.end("question", 1, len(body) - 5, "よろしいでしょうか", True)
        else:
            yield draft.end("question", 1, len(body) - 4, "のでしょうか", True)
        return
    if match := re.search(r"(?:んだっけ|だっけ|でしたっけ|んでしたっけ)$", body):
        yield draft.end(
            "question", 1, match.start(), "のでしょうか" if match[0].startswith("ん") else "でしょうか", True
        )
        return
    if body.endswith(("ませんか", "ましょうか")):
        return
    if match := re.search(r"(?:ます|ました|ません)か(?:ね)?$", body):
        yield draft.end(
            "question", 1, match.start(), match[0].rstrip("ね").removesuffix("か") + "でしょうか", True
        )
        return
    if (
        body.endswith("の") and (draft.asks or re.search("誰|だれ|なぜ|何|どう|いつ", body))
    ) or body.endswith("んの"):
        what = body[:-1] if not body.endswith("んの") else body[:-2] + "る"
        if (_PLAIN_END.search(what) and not what.endswith(("もの", "い"))) or what.endswith(("ない", "たい")):
            yield draft.end(
                "question",
                1,
                len(body) - 1 - body.endswith("んの"),
                "るのでしょうか" if body.endswith("んの") else "のでしょうか",
                True,
            )
        return
    if match := re.search(r"(?:でしょ|だろ|よね|でしょう)$", body):
        polite = to_polite(body[: match.start()])
        if polite:
            common = common_start(body, polite)
            yield draft.end("tag", 1, common, polite[common:] + "よね", True)
        return
    if not draft.asks:
        return
    polite = to_polite(re.sub("[かねよ]$", "", body))
    if polite and polite.endswith(("です", "ます", "ました", "ません", "でした")):
        polite = polite.removesuffix("です") + "でしょうか" if polite.endswith("です") else polite + "か"
        common = common_start(body, polite)
        yield draft.end("question", 1, common, polite[common:], True)
