"""The sentences and clauses of a Japanese message, and what each does in it: asks, limits, plans."""

import re
from typing import NamedTuple

from models.edits.japanese.grammar import KANJI, KATAKANA, sentences
from models.edits.japanese.phrases import (
    CLOSING,
    GREETING,
    LEAD_END,
    is_request,
    patterns,
    text_of,
)

_TOPIC_LEAD = re.compile(
    r"^(?P<topic>[^、。はがをもへ]{1,22}?)(?P<ken>の件|のこと)?(?:なんですけれども|なんですけど|なんですが|ですけれども|ですけど|ですが|につきまして|について|に関して|の件で|、)、?(?=.{6})"
)


_TITLE = re.compile(r"(?P<title>[^、。：:はがを]{2,16})：(?=.{6})")


_CLAUSE = re.compile(
    r"(?<=ので、)|(?<=ため、)|(?<=ますが、)|(?<=ですが、)|(?<=ましたが、)|(?<=ませんが、)|(?<=でしたが、)|(?<=ですけど、)|(?<=ますけど、)|(?<=ますし、)|(?<=ですし、)"
)


_LONG_CLAUSE = re.compile(
    _CLAUSE.pattern
    + r"|(?<=くて、)|(?<=って、)|(?<=して、)|(?<=いて、)|(?<=んですが、)|(?<=んですけど、)|(?<=たり、)"
)


# 日時は10時、場所は会議室です: two points in a sentence.
_POINT_BEFORE = re.compile(
    rf"(?P<first>[^、。はがを]{{1,12}}は[^、。はがを]{{1,28}}(?:[{KANJI}{KATAKANA}0-9０-９A-Za-z%％]|まで|(?<![すいだたる])から|ほど|くらい|のみ))"
    r"(?:で)?、(?=できれば|可能なら|可能であれば|なるべく|[^、。はがをで]{1,10}(?<![にでとらへ])は[^、。])"
)


class Part(NamedTuple):
    """A sentence or clause, and what it does: a role of `japanese_roles.tsv`, or `state`."""

    role: str
    text: str


# What somebody thinks is not certain enough for a label.
_CERTAIN = ("limit", "need", "deadline", "condition", "decision", "plan", "unneeded")
_OPINION = re.compile(r"と思(?:う|います|って(?:い)?(?:る|ます)|っております)(?:が|けど|ね|よ)?$")
_OPINION_BEFORE = re.compile(r"と思(?:う|い|っ)[^、。]{0,8}(?:が|けど)、")


# いつ頃いただけますか asks something, and is no request to do it.
_ASKS_WHEN = re.compile(
    r"(?:いつ|どこ|どれ|どちら|どの|いくら|何[時日名枚円])(?!か)[^、。]{0,16}(?<!教えて)(?<!知らせて)(?<!知らせ)(?<!聞かせ)(?<!聞かせて)(?<!連絡)(?<!連絡して)(?<!決めて)(?<!選んで)(?:いただけ|もらえ)(?:ます|ました|そうです|る)(?:でしょう)?か$"
)


def role_of(body: str, asks: bool) -> str:
    """What a sentence does; `asks`: whether a question mark ends it."""
    if _ASKS_WHEN.search(body):
        return "question"
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


def split(message: str) -> tuple[list[str], list[Part], list[str]]:
    """The opening lines, the parts with their roles, and the closing lines of a message."""
    head: list[str] = []
    tail: list[str] = []
    parts: list[Part] = []
    for sentence in sentences(message):
        body, whole = text_of(message, sentence), message[sentence.start : sentence.stop]
        if (
            not parts
            and re.search(
                "ありがとうございま(?:す|した)$|(?:申し訳(?:ございません|ありません)|失礼(?:いた)?しました)$",
                body,
            )
        ) or (
            not parts
            and (GREETING.search(body) or (LEAD_END.search(body) and len(body) < 40) or names_writer(body))
        ):
            head.append(whole)
        elif CLOSING.match(body):
            tail.append(whole)
        else:
            if _part(whole).role == "reason" and parts and re.search("(?:ので|ため|から|んで)$", body):
                parts[-1] = Part(parts[-1].role, parts[-1].text + whole)
                continue
            firsts: list[Part] = []
            while match := _POINT_BEFORE.match(whole):
                firsts.append(Part(role_of(match["first"], False), match["first"] + "。"))
                whole = whole[match.end() :]
            last = _part(whole)
            if last.role in ("request", "wish", "want"):  # a request at the end is also for what has no verb
                firsts = [Part("request", part.text) if part.role == "state" else part for part in firsts]
            parts += [*firsts, last]
    return head, parts, tail


_WRITER = re.compile(
    rf"[{KANJI}{KATAKANA}ぁ-んA-Za-z]{{0,14}}の?[{KANJI}{KATAKANA}]{{1,6}}(?:です|でございます|と申します)"
)
_NO_WRITER = re.compile(r"[はがをも]|まだ|必要|不要|可能|予定|未定")


def names_writer(body: str) -> bool:
    """Whether a sentence only says who writes: 総務の呉です."""
    return (
        len(body) < 20
        and _WRITER.fullmatch(body) is not None
        and not _NO_WRITER.search(body)
        and not LEAD_END.search(body)
    )


def take_topic(parts: list[Part], head: list[str]) -> tuple[list[str], list[Part]]:
    """Takes the topic from the first sentence: 3号機なんですが、…"""
    if not parts or (head and LEAD_END.search(head[-1].rstrip("。"))):
        return head, parts
    if match := _TITLE.match(parts[0].text):
        rest = parts[0].text[match.end() :]
        return [*head, match["title"]], [_part(rest), *parts[1:]]
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
    end = "" if topic.endswith(("件", "流れ", "案内", "報告", "連絡", "手順")) else "の件"
    rest = parts[0].text[match.end() :]
    return [*head, f"{topic}{end}です。"], [_part(rest), *parts[1:]]


def _part(text: str) -> Part:
    """A sentence with its mark as a part."""
    return Part(role_of(text.rstrip("。！？!?"), text.endswith(("?", "？"))), text)


def split_clauses(parts: list[Part]) -> list[Part]:
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
            role = role_of(re.sub("(?:が|けど|し)$", "", body), False)
            role = "reason" if body.endswith(("ので", "ため")) else "state" if role == "request" else role
            ends = re.search(r"(?:(?<!ん)です|ます|ました|ません|でした)(?:が|けど|し)$", body)
            text = re.sub(r"(?:が|けど|し)$", "", body) + "。" if ends else body
            result.append(Part(role, text))
        else:
            result.append(Part(role_of(body, piece.endswith(("?", "？"))), piece))
    return result


_DEPENDS = re.compile(
    r"^(?!これから|これまで|この前|この間|それから|それと|それぞれ|その他|そのほか|あの[件人])(?:それ|これ|その|この(?!たび|度)|あれ|あの|そこ|そちら|そう(?:で|い|し|す|な)|(?:ダメ|だめ|駄目|無理|可能|不可|必要|不要)(?:なら|な場合|であれば|でしたら)|ただし)"
)


def with_their_reference(parts: list[Part]) -> list[Part]:
    """Joins a part to the one before it when it points to it; different roles become the weakest one."""
    joined: list[Part] = []
    for part in parts:
        if not joined or not _DEPENDS.match(part.text):
            joined.append(part)
            continue
        before = joined.pop()
        roles = {before.role, part.role}
        role = next((strong for strong in ("request", "limit", "question") if strong in roles), "state")
        joined.append(Part(before.role if len(roles) == 1 else role, join(before.text, part.text)))
    return joined if len(joined) > 1 else parts


def plain_line(text: str) -> str:
    """A sentence as a line: without its full stop and the conjunction before it."""
    text = re.sub(r"^(?:なので|また|あと|それと|それから|なお|ちなみに|そして)、?", "", text)
    return text[:-1] if text.endswith("。") and "。" not in text[:-1] else text


def join(first: str, second: str) -> str:
    """Two sentences as one text."""
    return f"{first}{'' if first.endswith(('。', '？', '?')) else '。'}{second}"
