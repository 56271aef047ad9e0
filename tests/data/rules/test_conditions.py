"""What a rule may ask of a message is checked when it is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from data.records import TransformType
from data.rules.conditions import CONDITIONS, Rule
from serving.validation import reason_of

EVENING = {
    "kind": "hours", "days": ["mon"], "starts": "19:00", "ends": "08:00", "time_zone": "Asia/Tokyo",
}  # fmt: skip


def make(*conditions: dict[str, Any], name: str = "Kinder") -> Rule:
    return Rule.model_validate(
        {"name": name, "conditions": conditions, "transform_type": TransformType.SOFTEN, "intensity": 2}
    )


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"kind": "keyword", "words": []}, "invalid_empty"),
        ({"kind": "keyword", "words": ["42"]}, "term_without_letter"),
        ({"kind": "keyword", "words": ["a\nb"]}, None),
        ({"kind": "keyword", "words": ["word"] * 21}, None),
        ({"kind": "pattern", "pattern": "(?=a)"}, "pattern_refused"),
        ({"kind": "pattern", "pattern": r"\pL{2}"}, "pattern_too_large"),
        ({"kind": "pattern", "pattern": "a" * 501}, None),
        ({"kind": "tone", "harsh_above": 1.0}, None),
        ({"kind": "tone", "harsh_above": float("nan")}, None),
        ({"kind": "channel"}, "places_missing"),
        ({"kind": "recipient", "values": [" "]}, None),
        ({**EVENING, "starts": "24:00"}, None),
        ({**EVENING, "starts": "9:00"}, None),
        ({**EVENING, "days": []}, "invalid_empty"),
        ({**EVENING, "time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({**EVENING, "time_zone": "../../etc/passwd"}, "unknown_time_zone"),
        ({**EVENING, "time_zone": "localtime"}, "unknown_time_zone"),
        ({"kind": "weather"}, None),
        ({"kind": "tone", "harsh_above": 0.5, "warm_above": 0.5}, None),
    ],
)
def test_what_a_condition_cannot_be(condition: dict[str, Any], code: str | None) -> None:
    with pytest.raises(ValidationError) as refused:
        make(condition)
    assert code in (None, *(reason_of(fault).code for fault in refused.value.errors()))


def test_a_rule_has_one_condition_of_each_kind() -> None:
    with pytest.raises(ValidationError) as refused:
        make({"kind": "tone", "harsh_above": 0.5}, {"kind": "tone", "harsh_above": 0.7})
    [fault] = refused.value.errors()
    assert reason_of(fault).code == "condition_twice"
    with pytest.raises(ValidationError):
        make()


def test_a_name_is_tidied_and_not_empty() -> None:
    assert make({"kind": "tone", "harsh_above": 0.5}, name=" Cafe\u0301  rule ").name == "Café rule"
    with pytest.raises(ValidationError):
        make({"kind": "tone", "harsh_above": 0.5}, name="   ")


def test_conditions_survive_json() -> None:
    rule = make(EVENING, {"kind": "keyword", "words": ["至急"]}, {"kind": "channel", "prefixes": ["#ops"]})
    stored = [condition.model_dump(mode="json") for condition in rule.conditions]
    assert CONDITIONS.validate_python(stored) == rule.conditions
