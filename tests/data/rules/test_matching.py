"""Rules match as they say: all conditions, by priority, and the first one."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules import matching
from data.rules.conditions import ConditionKind, Day, HoursCondition, Rule, StoredRule, in_order
from data.rules.matching import Place, Sent, Tone, check, falls_in, find_first
from tests.edits import growth

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)  # a Monday
WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def make(*conditions: dict[str, Any], **fields: Any) -> Rule:
    return Rule.model_validate(
        {
            "name": "x",
            "conditions": conditions,
            "transform_type": "soften",
            "intensity": 2,
            **fields,
        }
    )


def store(rule: Rule, user_id: uuid.UUID | None = None, number: int = 0) -> StoredRule:
    return StoredRule(uuid.UUID(int=number), user_id, rule, "api_key:k", NOON)


def no_tone() -> Tone | None:
    raise AssertionError("no rule needs the tone")


def words_of(rule: Rule, text: str, **sent: Any) -> list[str] | None:
    """The words by which a rule matches; None if it does not."""
    signs = check(rule, Sent(text, **{"sent_at": NOON, **sent}), no_tone)
    return None if signs is None else [text[a:b] for sign in signs for a, b in sign.places]


@pytest.mark.parametrize(
    ("condition", "text", "words"),
    [
        ({"kind": "keyword", "words": ["asap", "at once"]}, "Do it ASAP, at once.", ["ASAP", "at once"]),
        ({"kind": "keyword", "words": ["asap"]}, "asapien", None),
        ({"kind": "keyword", "words": ["納期"]}, "納期が遅い", ["納期"]),
        ({"kind": "keyword", "words": ["納期"]}, "分納期間", None),
        ({"kind": "pattern", "pattern": "!{3,}"}, "至急!!! now", ["!!!"]),
        ({"kind": "pattern", "pattern": "late"}, "LATE", None),
        ({"kind": "pattern", "pattern": "late", "ignores_case": True}, "LATE", ["LATE"]),
        ({"kind": "pattern", "pattern": "納期"}, "😀納期", ["納期"]),
        ({"kind": "pattern", "pattern": "^$"}, "a", None),
    ],
)
def test_words_are_found(condition: dict[str, Any], text: str, words: list[str] | None) -> None:
    assert words_of(make(condition), text) == words


@pytest.mark.parametrize("kind", ["channel", "recipient"])
@pytest.mark.parametrize(
    ("place", "holds"),
    [
        ("#Ops", True),
        ("#ops-tokyo", False),
        ("Support-1", True),
        ("ｓｕｐｐｏｒｔ-1", True),
        ("x", False),
        (None, False),
    ],
)
def test_places_are_compared_in_any_case(kind: str, place: str | None, holds: bool) -> None:
    rule = make({"kind": kind, "values": ["#OPS"], "prefixes": ["support-"]})
    assert (words_of(rule, "a", **{kind: place}) is not None) == holds
    assert words_of(rule, "a", **{"channel": "#ops", "recipient": "#ops", kind: "y"}) is None


def hours(days: Sequence[str], starts: str, ends: str, zone: str) -> HoursCondition:
    return HoursCondition(
        kind=ConditionKind.HOURS, days=[Day(day) for day in days], starts=starts, ends=ends, time_zone=zone
    )


@pytest.mark.parametrize(
    ("condition", "moment", "holds"),
    [
        (hours(WORKDAYS, "09:00", "17:00", "Europe/Paris"), "2026-11-30T08:00+00:00", True),
        (hours(WORKDAYS, "09:00", "17:00", "Europe/Paris"), "2026-11-30T07:59+00:00", False),
        (hours(WORKDAYS, "09:00", "17:00", "Europe/Paris"), "2026-11-30T16:00+00:00", False),
        (hours(WORKDAYS, "09:00", "17:00", "Europe/Paris"), "2026-11-29T12:00+00:00", False),
        # Over midnight: of the evening on which the hours start.
        (hours(["fri"], "19:00", "08:00", "Asia/Tokyo"), "2026-12-04T19:00+09:00", True),
        (hours(["fri"], "19:00", "08:00", "Asia/Tokyo"), "2026-12-05T07:59+09:00", True),
        (hours(["fri"], "19:00", "08:00", "Asia/Tokyo"), "2026-12-05T08:00+09:00", False),
        (hours(["fri"], "19:00", "08:00", "Asia/Tokyo"), "2026-12-04T07:59+09:00", False),
        (hours(["sun"], "22:00", "06:00", "Asia/Tokyo"), "2026-11-30T05:00+09:00", True),
        (hours(["mon"], "00:00", "00:00", "Asia/Tokyo"), "2026-11-29T15:00+00:00", True),
        (hours(["mon"], "00:00", "00:00", "Asia/Tokyo"), "2026-11-30T15:00+00:00", False),
        # New York: 01:30 comes twice on 1 November 2026, and 02:30 never on 8 March.
        (hours(["sun"], "01:00", "02:00", "America/New_York"), "2026-11-01T05:30+00:00", True),
        (hours(["sun"], "01:00", "02:00", "America/New_York"), "2026-11-01T06:30+00:00", True),
        (hours(["sun"], "01:00", "02:00", "America/New_York"), "2026-11-01T07:00+00:00", False),
        (hours(["sun"], "02:00", "03:00", "America/New_York"), "2026-03-08T06:59+00:00", False),
        (hours(["sun"], "02:00", "03:00", "America/New_York"), "2026-03-08T07:00+00:00", False),
        (hours(["sat"], "22:00", "03:00", "America/New_York"), "2026-03-08T06:59+00:00", True),
        (hours(["sat"], "22:00", "03:00", "America/New_York"), "2026-03-08T07:00+00:00", False),
        (hours(["mon"], "00:00", "00:00", "America/New_York"), "0001-01-01T00:00+00:00", False),
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(
    condition: HoursCondition, moment: str, holds: bool
) -> None:
    assert falls_in(condition, datetime.fromisoformat(moment)) == holds


ZONES = st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
CLOCKS = st.times().map(lambda time: f"{time:%H:%M}")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(ZONES, CLOCKS, CLOCKS, MOMENTS)
def test_hours_and_their_complement_are_every_moment_once(
    zone: str, starts: str, ends: str, moment: datetime
) -> None:
    """From a to b and from b to a on all days: one of them holds, or both where a and b are the same."""
    days = [day.value for day in Day]
    there, back = hours(days, starts, ends, zone), hours(days, ends, starts, zone)
    assert falls_in(there, moment) + falls_in(back, moment) == (2 if starts == ends else 1)


@given(ZONES, MOMENTS)
def test_the_days_of_the_week_follow_each_other(zone: str, moment: datetime) -> None:
    """The day by the wall is the day of the hours 00:00 to 00:00."""
    local = moment.astimezone(ZoneInfo(zone))
    on = [day for day in Day if falls_in(hours([day.value], "00:00", "00:00", zone), moment)]
    assert on == [list(Day)[local.weekday()]]


def test_the_tone_is_computed_once_and_only_if_everything_else_holds() -> None:
    calls = []

    def read() -> Tone:
        calls.append(1)
        return Tone(0.6, (Place(0, 3),))

    def harsh(above: float, word: str = "fix") -> Rule:
        return make({"kind": "tone", "harsh_above": above}, {"kind": "keyword", "words": [word]})

    sent = Sent("Fix it.", NOON)
    assert find_first([store(harsh(0.1, "late"))], sent, read) is None
    assert not calls
    rules = [store(harsh(above), number=number) for number, above in enumerate((0.9, 0.6, 0.5))]
    match = find_first(rules, sent, read)
    assert match is not None
    assert (match.stored, len(calls)) == (rules[2], 1)
    assert match.signs[-1] == matching.Sign(ConditionKind.TONE, (Place(0, 3),), 0.6)
    assert find_first(rules, sent, lambda: None) is None


def test_kinds_that_are_not_known_are_left_out_if_asked_for() -> None:
    rule = make({"kind": "channel", "values": ["#ops"]}, {"kind": "keyword", "words": ["fix"]})
    sent = Sent("Fix it.", NOON)
    assert check(rule, sent, no_tone) is None
    signs = check(rule, sent, no_tone, unchecked={ConditionKind.CHANNEL})
    assert signs is not None
    assert [sign.kind for sign in signs] == [ConditionKind.KEYWORD]


ANN = uuid.UUID(int=7)
RULES = st.lists(
    st.tuples(st.integers(1, 3), st.booleans(), st.booleans(), st.sampled_from(["fix", "late", "never"])),
    max_size=8,
).map(
    lambda drawn: [
        store(
            make({"kind": "keyword", "words": [word]}, priority=priority, enabled=enabled),
            ANN if is_own else None,
            number,
        )
        for number, (priority, enabled, is_own, word) in enumerate(drawn)
    ]
)


@given(RULES, st.randoms(), st.sampled_from(["Fix it.", "You are late, fix it.", "Thanks."]))
def test_the_first_one_by_priority_fires(rules: list[StoredRule], random: Any, text: str) -> None:
    sent = Sent(text, NOON)
    match = find_first(rules, sent, no_tone)
    holding = [each for each in rules if each.rule.enabled and check(each.rule, sent, no_tone) is not None]
    assert (match is None) == (not holding)
    if match is not None:
        assert match.stored in holding
        for other in holding:
            assert in_order([other, match.stored])[0] is match.stored
    shuffled = rules.copy()
    random.shuffle(shuffled)
    assert find_first(shuffled, sent, no_tone) == match, "the order of reading is of no use"
    without = [each for each in rules if match is None or each is not match.stored]
    later = find_first(without, sent, no_tone)
    if match is not None and later is not None:
        assert in_order([later.stored, match.stored]) == [match.stored, later.stored]


@given(RULES)
def test_the_order_is_total(rules: list[StoredRule]) -> None:
    for first, second in pairwise(in_order(rules)):
        assert in_order([second, first]) == [first, second]


@pytest.mark.parametrize("piece", ["fix it now ", "納期が", "a", "ああ late"])
def test_the_time_grows_with_the_text_only(piece: str) -> None:
    """Forty rules that look for words, of which none fires."""
    rules = [
        store(
            make(
                {"kind": "keyword", "words": [f"{word}{number}" for word in ("fix it now", "納期", "aa")]},
                {"kind": "pattern", "pattern": "(a+)+$"},
            ),
            number=number,
        )
        for number in range(40)
    ]
    assert find_first(rules, Sent(piece * 10, NOON), no_tone) is None
    assert growth(lambda text: find_first(rules, Sent(text, NOON), no_tone), piece) < 9


def test_hours_do_not_depend_on_the_offset_in_which_a_moment_is_written() -> None:
    evening = hours(WORKDAYS, "19:00", "23:00", "Asia/Tokyo")
    moment = datetime(2026, 11, 30, 10, 30, tzinfo=UTC)
    for zone in ("America/New_York", "Asia/Tokyo"):
        assert falls_in(evening, moment.astimezone(ZoneInfo(zone)))
    assert not falls_in(evening, moment - timedelta(hours=1))
