"""Edits that add to a Japanese message: notes of what it does not say, and explanations of terms."""

import functools
import re
from typing import NamedTuple

from models.edits.japanese.grammar import (
    KANJI,
    KATAKANA,
    Sentence,
    sentences,
)
from models.edits.japanese.phrases import (
    CLOSING,
    DATE,
    GREETING,
    LEAD_END,
    MOST_EDITS,
    NOTED,
    find_request,
    is_request,
    patterns,
    table,
    text_of,
    wants_particle,
)
from models.edits.script import Change, Edit

_VAGUE_TIME = re.compile(
    r"(?<!昨日の)(?<![0-9０-９日曜])(?P<part>午後(?:イチ|一)?|夕方|朝イチ|朝一|お?昼過ぎ|お?昼前|朝のうち)(?!から|まで|は|休|に[0-9])(?=に|で|の|、|[一-龠])(?![0-9０-９一二三四五六七八九十])(?!の?[0-9０-９一二三四五六七八九十])"
    r"|(?P<week>来週|再来週|来月|今週中|来週中)(?![のはま]|末|から|頭|以降|初|半|後半|前半|いっぱい|[月火水木金土日])(?=[、にで一-龠ァ-ヶ])(?!に?[0-9０-９])"
)


_PARTY = re.compile(r"社|様|さん|株式|先生")


def clarify(message: str) -> list[Edit]:
    """Edits that put plain words for vague ones, and notes where the message does not say what it means."""
    parts = sentences(message)
    found: list[tuple[int, int, int, str, str, str]] = []
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
            taken.append(match.span())
            noun = match.groupdict().get("noun") or ""
            if plain.startswith("普段と違う状態") and wants_particle(message[: match.start()]):
                plain = "が" + plain
            rule = "plain_word" if not note else "pointer" if rank == 1 else "vague_word"
            found.append(
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
        found.append((2, match.start(), match.end(), match[0], note, "time"))
    found.sort(key=lambda row: row[:2])
    notes: set[str] = set()
    edits: list[Edit] = []
    for index, (rank, start, end, plain, note, rule) in enumerate(found):
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
    return edits


def _missing_notes(message: str, parts: list[Sentence], notes: set[str], count: int) -> list[Edit]:
    """Notes behind the first request that it does not say by when, or who."""
    request = next((part for part in parts if is_request(text_of(message, part))), None)
    if request is None:
        return []
    body = text_of(message, request)
    plain = find_request(body)
    if re.search(r"たら|なら|場合|とき|時は|際|れば|まで|ごとに|毎|いつも|から|やめ|控え", body) or (
        plain and plain.te.endswith("ないで")
    ):
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


class _Term(NamedTuple):
    word: str
    weight: int
    short: str
    full: str
    context: re.Pattern[str] | None


@functools.cache
def _glossary() -> tuple[dict[str, _Term], re.Pattern[str]]:
    terms = {}
    for word, weight, short, full, context in table("glossary_ja.tsv", 5):
        terms[word] = _Term(word, int(weight), short, full, re.compile(context) if context else None)
    return terms, re.compile("|".join(map(re.escape, sorted(terms, key=len, reverse=True))))


def _terms(message: str) -> list[tuple[int, _Term]]:
    """The terms that a message does not explain, with the end of their first occurrence, in order."""
    terms, pattern = _glossary()
    result: dict[str, tuple[int, _Term]] = {}
    for match in pattern.finditer(message):
        term = terms[match[0]]
        before, after = message[match.start() - 1 : match.start()], message[match.end() : match.end() + 1]
        if (
            term.word in result
            or after in ("（", "(")
            or before in ("（", "(", "「", "_", "-", "/", ".")
            or _runs_on(term.word, before, after)
        ):
            continue
        if re.match(r"[-_./+]\w|」", message[match.end() : match.end() + 2]):
            continue
        if term.context and not term.context.search(message[: match.start()] + "　" + message[match.end() :]):
            continue
        if term.short in message or any(term.short == other.short for _, other in result.values()):
            continue
        result[term.word] = (match.end(), term)
    return sorted(result.values(), key=lambda row: row[0])


_KANJI_AFTER = re.compile(rf"[{KANJI}]")


def _runs_on(word: str, before: str, after: str) -> bool:
    """Whether a term is only a part of a longer word."""
    if (word[0].isascii() and before.isascii() and before.isalnum()) or (
        word[-1].isascii() and after.isascii() and after.isalnum()
    ):
        return True
    if re.match("[ぁ-ん]", word[-1]) and re.match("[ぁ-んー]", after) and after not in "はがをにのとでもへや":
        return True
    kata = re.compile(f"[{KATAKANA}]")
    if (kata.match(word[0]) and kata.match(before)) or (kata.match(word[-1]) and kata.match(after)):
        return True
    kanji = _KANJI_AFTER
    if kanji.match(word[0]) and kanji.match(before):
        return True
    return bool(
        kanji.match(word[-1])
        and (
            (kanji.match(after) and after not in "前後中時済待")
            or (after == "し" and word in ("棚卸", "切り戻", "申し送", "仕訳"))
        )
    )


def terminology(message: str) -> list[Edit]:
    """Edits that explain terms in brackets: first the most special one, then all, then in more words."""
    terms = _terms(message)
    if not terms:
        return []
    first = max(terms, key=lambda row: (row[1].weight, -row[0]))[1]
    edits = []
    for at, term in terms:
        texts = {1: term.short} if term is first else {}
        if len(terms) > 1:
            texts |= {2: term.short, 3: term.full}
        else:
            texts |= {2: term.full}
        edits += [
            Edit("terminology.explain", level, (Change(at, at, f"（{text}）"),))
            for level, text in texts.items()
        ]
    return edits


_REASON = re.compile(
    r"ため(?!に[はも])|ので|のため|理由|原因|により|都合|影響|せい(?:で|です)|おかげ|背景|経緯|(?<![0-9０-９時日月分])(?:です|ます|た|る|い|だ)から|に伴|なぜなら|なんで|なぜ|どうして|んで、"
)


def background(message: str) -> list[Edit]:
    """A note of the most important thing that the message does not say, and explanations of terms."""
    if NOTED.search(message):
        return []
    parts = [
        part
        for part in sentences(message)
        if not GREETING.search(text_of(message, part)) and not CLOSING.match(text_of(message, part))
    ]
    edits: list[Edit] = []
    terms = sorted(_terms(message), key=lambda row: -row[1].weight)
    note = _note(message, parts)
    if (
        note is None
        and not terms
        and parts
        and len(message) < 80
        and not message.rstrip("。 ").endswith(("か", "？", "?"))
    ):
        note = parts[-1], "詳しい経緯", "詳しい経緯", "general"
    if note is not None:
        sentence, what, more, rule = note
        at = sentence.stop
        stop = "" if message[sentence.end : sentence.stop] else "。"
        texts = (
            f"{what}は書かれていません。",
            f"{more}は書かれていません。",
            f"{more}は書かれていませんので、必要な場合はご確認ください。",
        )
        for level, text in enumerate(texts, 1):
            if level != 2 or what != more:
                edits.append(Edit(f"background.{rule}", level, (Change(at, at, stop + text),)))
    for rank, (at, term) in enumerate(terms):
        level = 1 if note is None and not rank else 2 if rank < 2 else 3
        edits.append(Edit("background.term", level, (Change(at, at, f"（{term.short}）"),)))
    return edits


_ANNOUNCES = re.compile(r"(?:ました|ます|です)ので、?(?:ご連絡|お知らせ|ご報告|ご案内)")


_GIVES_REASON = re.compile(
    r"(?:ので|から|ため|ためです|からです|んで)$|^(?:理由|原因|というのも|なぜなら|たぶん|おそらく|どうやら)"
)


_BY = re.compile(
    rf"[{KANJI}{KATAKANA}]で、?(?:[^、。]{{0,6}})(?:遅れ|止ま|落ち|停止|中止|延期|休|壊れ|変更|変わ|欠席|閉鎖|閉館)"
)


_SO = re.compile(r"^(?:なので|そのため|だから|ですから|したがって|これにより|それで)")


# A sentence with such words tells what may happen, or that something is not so.
_UNSURE = (
    "未定|調査中|確認中|検討中|ありません|ございません|なければ|場合|たら|次第|たい(?:です)?$|できれば|かも|でしょうか|大丈夫|問題な"
    "|かどうか|のか|無理|まだ|だろう|おらず|なかった|思い|思う|らしい|みたい|つもり|案|なら"
)


def _note(message: str, parts: list[Sentence]) -> tuple[Sentence, str, str, str] | None:
    """What the message does not say: its sentence, the note, a longer note, and the rule."""
    bodies = [_ANNOUNCES.sub("", text_of(message, part)) for part in parts]
    known: set[str] = set()
    rest: tuple[Sentence, str] | None = None
    for index, (part, body) in enumerate(zip(parts, bodies, strict=True)):
        after = bodies[index + 1] if index + 1 < len(bodies) else ""
        if LEAD_END.search(body):
            continue
        if _REASON.search(body) or _BY.search(body) or _GIVES_REASON.search(after) or _SO.search(body):
            events = [row for pattern, row in patterns("japanese_events.tsv", 3) if pattern.search(body)]
            known |= {what for what, _ in events}
            rest = rest or next(
                (
                    (part, _MORE[rule])
                    for _, rule in events
                    if rule in ("stop", "change") and _lacks(message, rule)
                ),
                None,
            )
            continue
        if re.search("[?？]", message[part.end : part.stop]) or body.endswith("か"):
            continue
        for pattern, (what, rule) in patterns("japanese_events.tsv", 3):
            if not pattern.search(body) or what in known:
                continue
            if re.search(
                _UNSURE,
                body,
            ):
                break
            if (
                (rule == "absence" and re.search("(?<![月末日])で(?:お?休|欠席|退職)", body))
                or (what == "原因" and "原因" in message)
                or (is_request(body) and rule != "limit")
            ):
                break
            if (
                rule == "limit"
                and not is_request(body)
                and not re.search("(?:ません|ない|できなくなり?ます|禁止です|禁止)$", body)
            ):
                break
            return part, what, f"{what}と、{_MORE[rule]}" if _lacks(message, rule) else what, rule
    general = any(_REASON.search(body) for body in bodies)
    asking = next((part for part in parts if is_request(text_of(message, part))), None)
    body = text_of(message, asking) if asking else ""
    request = find_request(body)
    when = not re.search(
        r"たら|なら|場合|とき|時は|際|れば|ごとに|毎|やめ|控え|ない(?:で|よう)", body
    ) and not (request and request.te.endswith("ないで"))
    if asking and when and not DATE.search(message):
        return (
            asking,
            "期限",
            "期限と、依頼の理由"
            if not general
            else "期限と、担当者"
            if not re.search("さん|様|先生|誰", message)
            else "期限",
            "deadline",
        )
    if asking and not general:
        return asking, "依頼の理由", "依頼の理由や経緯", "purpose"
    if rest and not asking:
        return rest[0], rest[1], rest[1], "rest"
    ends = message[parts[-1].end : parts[-1].stop] if parts else ""
    if (
        not asking
        and parts
        and not general
        and not re.search("[?？]", ends)
        and not text_of(message, parts[-1]).endswith("か")
    ):
        return parts[-1], "この連絡の背景", "この連絡の背景や経緯", "general"
    return None


_MORE = {
    "change": "変更前の内容",
    "cause": "影響の範囲",
    "decision": "決定までの経緯",
    "limit": "いつまでか",
    "absence": "代わりの担当者",
    "stop": "今後の予定",
    "transfer": "異動前の部署",
}


def _lacks(message: str, rule: str) -> bool:
    """Whether the message also lacks the second thing to note."""
    present = {
        "change": r"から|予定し|当初|これまで|元は|ではなく|じゃなく|旧|変更なし",
        "cause": r"影響|以外|だけ|無事|大丈夫|範囲|利用できません|使えません",
        "stop": r"予定|再開|次回|来期|来月|来週|改めて|まで|から|代わり|代替",
        "transfer": r"から|前は|後任",
        "decision": r"部長|課長|社長|会議|委員会|理事会|役員|さん|様|先生|先方|総務|人事|甲|乙|私",
        "limit": r"まで|本日|今日|期間|当面|常に|いつも|場合|以降|明日|今週|毎",
        "absence": r"代わり|代理|後任|引き継|担当|応援",
    }
    return not re.search(present[rule], message)
