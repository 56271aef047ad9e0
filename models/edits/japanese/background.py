"""Notes of what an outsider lacks in a Japanese message, and explanations of its terms."""

import re
from collections.abc import Sequence

from data.records import Term
from models.edits.japanese.grammar import KANJI, KATAKANA, Sentence, sentences
from models.edits.japanese.parts import names_writer
from models.edits.japanese.phrases import (
    CLOSING,
    DATE,
    GREETING,
    LEAD_END,
    NOTED,
    find_request,
    is_request,
    patterns,
    takes_deadline,
    text_of,
)
from models.edits.japanese.terminology import explain_own, unexplained_terms
from models.edits.script import Change, Edit

_REASON = re.compile(
    r"ため(?!に[はも])|ので|のため|理由|原因|により|都合|影響|せい(?:で|です)|おかげ|背景|経緯|(?<![0-9０-９時日月分])(?:です|ます|た|る|い|だ)から|に伴|なぜなら|なんで|なぜ|どうして|んで、"
)


def background(message: str, own_terms: Sequence[Term] = ()) -> list[Edit]:
    """A note of the most important thing that the message does not say, and explanations of terms."""
    if NOTED.search(message):
        return []
    parts = [
        part
        for part in sentences(message)
        if not GREETING.search(text_of(message, part)) and not CLOSING.match(text_of(message, part))
    ]
    edits = explain_own(message, own_terms)
    terms = sorted(unexplained_terms(message, own_terms), key=lambda row: -row[1].weight)
    note = _note(message, parts)
    if (
        note is None
        and not terms
        and not edits
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
    rf"[{KANJI}{KATAKANA}](?<!途中)(?<!全部)(?<!全体)で、?(?:[^、。]{{0,6}})(?:遅れ|止ま|落ち|停止|中止|延期|休|壊れ|変更|変わ|欠席|閉鎖|閉館)"
)


_SO = re.compile(r"^(?:なので|そのため|だから|ですから|したがって|これにより|それで)")


# A sentence with such words tells what may happen, or that something is not so.
_UNSURE = (
    "未定|調査中|確認中|検討中|ありません|ございません|なければ|場合|たら|次第|たい(?:です)?$|できれば|かも|でしょうか|大丈夫|問題な"
    "|かどうか|のか|無理|まだ|だろう|おらず|なかった|思い|思う|らしい|みたい|つもり|案(?:が|も|で)|構いません|かまいません|なら"
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
                    if not re.search(_UNSURE, body) and rule in ("stop", "change") and _lacks(message, rule)
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
            return (
                part,
                what,
                f"{what}と、{_MORE[rule]}" if _lacks(message, rule) and not is_request(body) else what,
                rule,
            )
    general = any(_REASON.search(body) for body in bodies)
    asking = next((part for part in parts if is_request(text_of(message, part))), None)
    explained = general or (asking is not None and _explains(message, parts, asking))
    body = text_of(message, asking) if asking else ""
    if asking and takes_deadline(body) and not DATE.search(message):
        return (
            asking,
            "期限",
            "期限と、依頼の理由"
            if not explained
            else "期限と、担当者"
            if re.search("誰か|どなたか", message)
            else "期限",
            "deadline",
        )
    if asking and not explained:
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


def _explains(message: str, parts: list[Sentence], asking: Sentence) -> bool:
    """Whether another sentence may be the reason of a request: one before it, or one after a ban."""
    request = find_request(text_of(message, asking))
    banned = request is not None and request.te.endswith(("ないで", "やめて"))
    return any(
        part is not asking
        and (part.start < asking.start or banned)
        and not is_request(body := text_of(message, part))
        and not LEAD_END.search(body)
        and not names_writer(body)
        for part in parts
    )


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
