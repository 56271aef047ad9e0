"""Deadlines of messages, and the dates that their words tell."""

from datetime import date

import pytest

from models.analysis import deadlines, prose

TODAY = date(2026, 11, 30)  # a Monday


def find(message: str, today: date = TODAY) -> list[tuple[str, str]]:
    """The deadlines of a message, with their dates; "" for none."""
    found = deadlines.find(prose.read(message), today)
    return [(message[each.start : each.end], each.day.isoformat() if each.day else "") for each in found]


@pytest.mark.parametrize(
    ("message", "words", "day"),
    [
        ("Send it by Friday.", "by Friday", "2026-12-04"),
        ("Send it by Monday, please.", "by Monday", "2026-11-30"),
        ("It must be there before 3 March.", "before 3 March", "2027-03-03"),
        ("We need it by December 5th.", "by December 5th", "2026-12-05"),
        ("Finish it by 2026-12-24.", "by 2026-12-24", "2026-12-24"),
        ("Please answer until tomorrow.", "until tomorrow", "2026-12-01"),
        ("Fix it by the end of the day.", "by the end of the day", "2026-11-30"),
        ("I need it by the 15th.", "by the 15th", "2026-12-15"),
        ("Send it by next Friday.", "by next Friday", ""),
        ("It is due next week.", "due next week", ""),
        ("Please send it on Thursday.", "on Thursday", "2026-12-03"),
        ("We need it within three days.", "within three days", ""),
        ("Please check it before the audit.", "before the audit", ""),
        ("明日までに送ってください。", "明日までに", "2026-12-01"),
        ("明後日の15時までにお願いします。", "明後日の15時までに", "2026-12-02"),
        ("金曜日までに提出してください。", "金曜日までに", "2026-12-04"),
        ("来週の水曜までにお願いします。", "来週の水曜までに", "2026-12-09"),
        ("12月5日までに提出してください。", "12月5日までに", "2026-12-05"),
        ("１２／５までに提出してください。", "１２／５までに", "2026-12-05"),
        ("二十日までにお出しください。", "二十日までに", "2026-12-20"),
        ("本日中にご回答ください。", "本日中に", "2026-11-30"),
        ("月末までにお願いします。", "月末までに", ""),
    ],
)
def test_a_deadline_and_its_date(message: str, words: str, day: str) -> None:
    assert find(message) == [(words, day)]


@pytest.mark.parametrize(
    "message",
    [
        "We talked about it on Friday.",
        "Lunch is in the small room.",
        "The May report has 12 pages.",
        "昨日の会議は3時間かかりました。",
    ],
)
def test_what_is_no_deadline(message: str) -> None:
    assert find(message) == []


def test_dates_are_the_next_ones_from_the_day_on() -> None:
    assert find("Send it by 1 January.", date(2026, 12, 31)) == [("by 1 January", "2027-01-01")]
    assert find("Send it by the 31st.", date(2027, 2, 1)) == [("by the 31st", "2027-03-31")]
    assert find("Send it by 29 February.", TODAY) == [("by 29 February", "")]
    assert find("Send it by 31 June.", TODAY) == [("by 31 June", "")]


def test_a_day_that_no_date_can_hold_is_left_open() -> None:
    assert find("Send it by tomorrow.", date.max) == [("by tomorrow", "")]
    assert find("来週の金曜日までに送ってください。", date.max) == [("来週の金曜日までに", "")]
    assert find("今週の月曜日までに送ってください。", date.min) == [("今週の月曜日までに", "0001-01-01")]
    assert find("Send it by Thursday.", date.max) == [("by Thursday", "")]
