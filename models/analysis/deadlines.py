"""Finds by when something must be done or will be done, and the date where the words tell it."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from models.analysis import requests
from models.analysis.prose import Prose

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAME = (
    "mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
)
_MONTH_NAME = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_CLOCK = r"\d{1,2}[:.]\d{2}(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|noon|midnight|lunch(?:time)?"
_PART_OF_DAY = "morning|afternoon|evening|night|noon|lunch"
_WHEN = (
    rf"(?:(?:{_CLOCK})(?: (?:on )?(?:the )?)?)?"
    rf"(?:(?:(?:this|next|the coming) )?(?:{_DAY_NAME})\b(?:,? (?:the )?\d{{1,2}}(?:st|nd|rd"
    rf"|th)?\b)?(?: (?:{_PART_OF_DAY}))?"
    rf"|(?:{_MONTH_NAME})\.? (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b|(?:the )?\d{{1,2}}(?:st|nd|rd"
    rf"|th)?(?: of)? (?:{_MONTH_NAME})\b"
    r"|\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}(?:/\d{2,4})?|the \d{1,2}(?:st|nd|rd|th)"
    rf"|(?:today|tomorrow)(?: (?:{_PART_OF_DAY}))?|tonight|(?:this|next|the coming) (?:week(?:end)?"
    rf"|month|quarter|year|{_PART_OF_DAY})"
    r"|(?:the )?(?:end|close|middle|start|beginning) of (?:the |this |next |that )?(?:day|business|play"
    r"|week|month|quarter|year|shift|sprint|\w+)"
    r"|eod|eob|cob|eow|eom|(?:the )?weekend|month[- ]end|year[- ]end|q[1-4]\b|(?:early|mid"
    r"|late)[- ](?:{m})\b)"
).replace("{m}", _MONTH_NAME)
_EVENT = (
    r"(?:the|our|your|my|his|her|their|this|that|next|any) (?:[\w-]{1,30} ){0,2}[\w-]{2,30}"
    r"|(?:we|you|they|he|she|it|i|anyone|anybody|people|guests|customers) [\w']{2,20}(?: [\w']{1,20}){0,2}"
)
_ENGLISH = re.compile(
    rf"(?<![\w'-])(?:(?:by|before|until|till|no later than|not later than|at the latest by|latest by"
    rf"|due (?:on|by|at|in)?"
    rf"|deadline(?:: | is | was | of )|expires? (?:on |in |at )?|ends? (?:on |at )|closes? (?:on |at ))"
    rf" ?(?:{_WHEN}|{_CLOCK}|(?:{_MONTH_NAME})\b|the (?:deadline|release|launch|demo|audit|meeting"
    rf"|review|call|weekend|holidays|go-live))"
    rf"|before (?:{_EVENT})"
    r"|(?:with)?in (?:the next |the )?(?:an?|\d{1,3}|one|two|three|four|five|six|seven|ten|twelve"
    r"|half an) (?:working |business )?"
    r"(?:minutes?|mins?|hours?|hrs?|days?|weeks?|months?)|end of (?:the )?(?:day|week|month)|eod"
    r"|cob)(?![\w-])",
    re.ASCII,
)
_NUMBER = "[0-9０-９一二三四五六七八九十]{1,4}"
_TIME = (
    rf"(?:{_NUMBER}月{_NUMBER}日|{_NUMBER}[/／]{_NUMBER}|{_NUMBER}日|{_NUMBER}月(?:末|中旬|上旬|下旬)?|今日|本日|明日|明後日|あさって|今夜"
    rf"|今週|来週|再来週|今月|来月|月末|年末|年内|週末|週明け|週内|[月火水木金土日]曜日?|(?<![一-龠])[月火水木金土日](?=まで|中に|の[朝昼夕午])"
    rf"|午前|午後|正午|朝(?:一|イチ)?|昼(?:休み)?|夕方|夜|{_NUMBER}時(?:半|{_NUMBER}分)?|{_NUMBER}[:：]{_NUMBER}"
    rf"|{_NUMBER}(?:営業日|日|分|時間|週間|か月|ヶ月))"
)
_JAPANESE = re.compile(
    rf"(?:{_TIME}(?:の|、|中の?|（[月火水木金土日]）|\([月火水木金土日]\))?){{1,4}}(?:まで(?:に(?:は)?)?|中(?:に(?:は)?)?|以内(?:に)?|いっぱい|必着|締め?切り?|が?期限)"
    rf"|(?:期限|締め?切り?|納期|期日|〆切)(?:は|：|:|が)(?:{_TIME}の?、?){{1,4}}"
    r"|[一-龠ァ-ヶーa-z0-9]{1,12}(?:の)?前(?:まで)?に|[一-龠ァ-ヶー]{2,10}まで(?:に(?:は)?)"
)
_BARE = re.compile(
    rf"(?<![\w'-])(?:(?:on |in )?(?:{_WHEN})(?: at (?:{_CLOCK}))?|in (?:{_MONTH_NAME})\b"
    rf"|(?:at )(?:{_CLOCK})(?: [a-z]{{3}}(?=[.,;!?]|$))?"
    r"|as soon as possible|at once|asap)(?![\w-])",
    re.ASCII,
)
_BARE_JAPANESE = re.compile(
    rf"(?:{_TIME}の?){{1,4}}(?:に(?:は)?|から)|(?:{_TIME}の?){{1,4}}(?=、)|なるはやで?|それまでに"
)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_MONTH_DAY = re.compile(
    rf"(?P<month>{_MONTH_NAME})\.? (?:the )?(?P<day>\d{{1,2}})|(?P<day2>\d{{1,2}})(?:st|nd|rd"
    rf"|th)?(?: of)? (?P<month2>{_MONTH_NAME})\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(rf"(?P<next>next )?\b(?P<day>{_DAY_NAME})\b", re.IGNORECASE)
_DAY_OF_MONTH = re.compile(r"the (\d{1,2})(?:st|nd|rd|th)", re.IGNORECASE)
_TODAY = re.compile(
    r"\b(?:today|tonight|this (?:morning|afternoon|evening)|eod|eob|cob|end of (?:the )?day)\b", re.IGNORECASE
)
_JA_MONTH_DAY = re.compile(r"(\d{1,2})(?:月|/)(\d{1,2})日?")
_JA_DAY = re.compile(r"(?<![\d月/])(\d{1,2})日(?!間|以内)")
_JA_WEEKDAY = re.compile(
    "(再来週|来週|今週)の?([月火水木金土日])(?:曜|まで|中)|(?<![一-龠0-9])([月火水木金土日])(?:曜|まで|中)"
)
_KANJI_NUMBER = re.compile("[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九]")
_WIDE = str.maketrans("０１２３４５６７８９／：", "0123456789/:")


class Deadline(NamedTuple):
    """The words of a deadline, and its date; None where the words tell none."""

    start: int
    end: int
    day: date | None


def find(prose: Prose, today: date) -> list[Deadline]:
    """The deadlines of a message in order. Dates are the next ones from `today` on."""
    places = [match.span() for pattern in (_ENGLISH, _JAPANESE) for match in pattern.finditer(prose.lowered)]
    places += _bare(prose)
    result: list[Deadline] = []
    for start, end in sorted(places, key=lambda place: (place[0], -place[1])):
        if not result or start >= result[-1].end:
            result.append(Deadline(start, end, tell_date(prose.text[start:end], today)))
    return result


def _bare(prose: Prose) -> Iterator[tuple[int, int]]:
    """Days without "by" in sentences that ask for something: "send it on Friday"."""
    for sentence in prose.sentences:
        if not requests.asks(prose, sentence) and not requests.plans(prose, sentence):
            continue
        for pattern in (_BARE, _BARE_JAPANESE):
            yield from (match.span() for match in pattern.finditer(prose.lowered, *sentence))


def tell_date(text: str, today: date) -> date | None:
    """The date that the words of a deadline tell, on `today`; None when they leave it open: "next week"."""
    try:
        return _tell_date(text, today)
    except OverflowError:  # the first or the last days that there are
        return None


def _tell_date(text: str, today: date) -> date | None:
    text = _KANJI_NUMBER.sub(_write_in_digits, text.translate(_WIDE))
    if match := _ISO.search(text):
        return _valid(*map(int, match.groups()))
    if match := _MONTH_DAY.search(text):
        month = match["month"] or match["month2"]
        return _next(today, int(match["day"] or match["day2"]), _MONTHS.index(month[:3].lower()) + 1)
    if match := _JA_MONTH_DAY.search(text):
        return _next(today, int(match[2]), int(match[1]))
    if match := _DAY_OF_MONTH.search(text) or _JA_DAY.search(text):
        return _next(today, int(match[1]))
    if re.search(r"\btomorrow\b|明日", text, re.IGNORECASE):
        return today + timedelta(days=1)
    if re.search("明後日|あさって", text):
        return today + timedelta(days=2)
    if _TODAY.search(text) or re.search("今日|本日|今夜", text):
        return today
    if match := _JA_WEEKDAY.search(text):
        day = "月火水木金土日".index(match[2] or match[3])
        if match[1]:
            monday = today - timedelta(days=today.weekday())
            return monday + timedelta(days=day + 7 * ("今週", "来週", "再来週").index(match[1]))
        return today + timedelta(days=(day - today.weekday()) % 7)
    if (match := _WEEKDAY.search(text)) and not match["next"]:  # "next Friday" is one of two
        day = next(i for i, name in enumerate(_DAYS) if name.startswith(match["day"][:3].lower()))
        return today + timedelta(days=(day - today.weekday()) % 7)
    return None


def _write_in_digits(match: re.Match[str]) -> str:
    tens, ten, ones = match.group().rpartition("十")
    number = "一二三四五六七八九".find
    return str((number(tens) + 1 if tens else 1) * 10 * bool(ten) + (number(ones) + 1 if ones else 0))


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _next(today: date, day: int, month: int | None = None) -> date | None:
    """The next date with this day, and month; None if there is none within a year."""
    for ahead in range(13):
        year, index = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        if month in (None, index + 1) and (found := _valid(year, index + 1, day)) and found >= today:
            return found
    return None
