"""Plain words for vague ones in a Japanese message, and notes of what it does not say."""

import re

from models.edits.japanese.grammar import KANJI, KATAKANA, Sentence, sentences
from models.edits.japanese.phrases import (
    DATE,
    MOST_EDITS,
    find_request,
    is_request,
    patterns,
    takes_deadline,
    text_of,
    wants_particle,
)
from models.edits.script import Change, Edit

_VAGUE_TIME = re.compile(
    r"(?<!昨日の)(?<![0-9０-９日曜])(?P<part>午後(?:イチ|一)?|夕方|朝イチ|朝一|お?昼過ぎ|お?昼前|朝のうち)(?!から|まで|は|休|に[0-9])(?=に|で|の|、|[一-龠])(?![0-9０-９一二三四五六七八九十])(?!の?[0-9０-９一二三四五六七八九十])"
    r"|(?P<week>来週|再来週|来月|今週中|来週中)(?![のはま]|末|から|頭|以降|初|半|後半|前半|いっぱい|[月火水木金土日])(?=[、にで一-龠ァ-ヶ])(?!に?[0-9０-９])"
)


_PERSON = re.compile(rf"([{KANJI}{KATAKANA}]{{1,6}})(?:さん|様|くん|氏|先生|部長|課長|主任)")


_HAS_DEADLINE = re.compile(
    r"(?:[0-9０-９日曜月週末時中朝昼方晩]|午前|正午)まで|(?:今日|本日|明日|今週|来週)中"
)


_PARTY = re.compile(r"社|様|さん|株式|先生")


def clarify(message: str) -> list[Edit]:
    """Edits that put plain words for vague ones, and notes where the message does not say what it means."""
    parts = sentences(message)
    passages: list[tuple[int, int, int, str, str, str]] = []
    taken: list[tuple[int, int]] = []
    for pattern, (row_rank, words, note) in patterns("japanese_clarify.tsv", 4, 1):
        for match in pattern.finditer(message):
            rank, plain = int(row_rank), words
            if (
                len(taken) > MOST_EDITS
                or any(a < match.end() and match.start() < b for a, b in taken)
                or match.start() == match.end()
            ):
                continue
            if message[match.end() : match.end() + 1] == "（":
                continue
            if note.startswith("先方") and _PARTY.search(message):
                continue
            if note.startswith("いつまで") and _HAS_DEADLINE.search(message):
                continue
            if "誰を指すか" in note and len(set(_PERSON.findall(message[: match.start()]))) == 1:
                continue
            taken.append(match.span())
            noun = match.groupdict().get("noun") or ""
            if plain.startswith("普段と違う状態") and wants_particle(message[: match.start()]):
                plain = "が" + plain
            rule = "plain_word" if not note else "pointer" if rank == 1 else "vague_word"
            passages.append(
                (
                    rank,
                    match.start(),
                    match.end(),
                    (plain or match[0]).format(noun=noun),
                    note.format(noun=noun),
                    rule,
                )
            )
    for match in _VAGUE_TIME.finditer(message):
        if any(a < match.end() and match.start() < b for a, b in taken):
            continue
        note = "時刻は書かれていません" if match["part"] else "日付は書かれていません"
        passages.append((2, match.start(), match.end(), match[0], note, "time"))
    passages.sort(key=lambda row: row[:2])
    notes: set[str] = set()
    edits: list[Edit] = []
    for index, (rank, start, end, plain, note, rule) in enumerate(passages):
        if note in notes:
            note = ""
        notes.add(note)
        level = min(3, index + 1) if note else 1 if rank < 3 else 2
        text = plain + (f"（{note}）" if note else "")
        if text != message[start:end]:
            edits.append(Edit(f"clarify.{rule}", level, (Change(start, end, text),)))
    edits += _missing_notes(
        message, parts, notes, len([edit for edit in edits if "（" in edit.changes[0].text])
    )
    noted = [edit for edit in edits if edit.changes[0].text.endswith("書かれていません）")]
    if len(noted) == 1:  # a single note says more at the highest intensity
        change = noted[0].changes[0]
        text = change.text.removesuffix("）") + "。要確認）"
        edits.append(Edit(noted[0].rule, 3, (change._replace(text=text),)))
    return edits


def _missing_notes(message: str, parts: list[Sentence], notes: set[str], count: int) -> list[Edit]:
    """Notes behind the first request that it does not say by when, or who."""
    request = next((part for part in parts if is_request(text_of(message, part))), None)
    if request is None:
        return []
    body = text_of(message, request)
    plain = find_request(body)
    if not takes_deadline(body):
        return []
    by_when = not DATE.search(message) and not any("いつまで" in note or "時" in note for note in notes)
    who = (
        plain is not None
        and plain.strength == 0
        and not re.search(
            r"^[^、。はがを]{2,6}、|さん|様|くん|先生|部長|課長|店長|誰|どなた|各自|皆|全員|各位|私|教え|知らせ|連絡|相談|返事|聞かせ|お願い",
            message,
        )
        and not any("担当" in note for note in notes)
    )
    wanted = [text for text, missing in (("いつまでにか", by_when), ("誰が対応するか", who)) if missing]
    edits = []
    at = request.stop
    for step, text in enumerate([wanted[:1], wanted] if len(wanted) == 2 else [wanted] if wanted else []):
        level = min(3, count + 1 + step)
        edits.append(
            Edit("clarify.missing", level, (Change(at, at, f"（{'と、'.join(text)}は書かれていません）"),))
        )
    return edits
