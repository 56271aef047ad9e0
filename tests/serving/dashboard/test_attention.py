"""Which webhooks need attention, and how long a process remembers their number."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.reasons import reason
from data.webhooks.events import EventType
from data.webhooks.subscriptions import Webhook
from serving.dashboard.attention import Attention, needs_attention

NOW = datetime.now(UTC)
GONE = reason("receiver_gone")


def a_webhook(**fields: Any) -> Webhook:
    values: dict[str, Any] = {
        "id": uuid.uuid4(), "url": "https://example.org/", "events": [EventType.JOB_DONE], "description": "",
        "created_by": "a test", "created_at": NOW, "waiting": 0, "failing_since": None, "failures": 0,
        "skipped": 0, "disabled_at": None, "disabled_because": None, "disabled_reason": None,
        "former_secret_until": None,
    }  # fmt: skip
    return Webhook(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"failing_since": NOW - timedelta(hours=23), "failures": 9}, False),
        ({"failing_since": NOW - timedelta(hours=25), "failures": 9}, True),
        ({"disabled_at": NOW, "disabled_reason": GONE}, True),
        ({"disabled_at": NOW}, False),  # by a person
        ({"disabled_at": NOW, "failing_since": NOW - timedelta(hours=25)}, False),
        ({"skipped": 3}, False),
    ],
)
def test_what_was_disabled_without_a_person_or_fails_for_a_day_needs_attention(
    fields: dict[str, Any], expected: bool
) -> None:
    assert needs_attention(a_webhook(**fields)) is expected


def test_the_count_is_remembered_by_organisation_for_a_minute() -> None:
    now, asked = 1000.0, list[str]()
    attention = Attention(lambda: now)

    def ask(name: str, *webhooks: Webhook) -> int:
        return attention.count(name, lambda: (asked.append(name), list(webhooks))[1])

    failing = a_webhook(disabled_at=NOW, disabled_reason=GONE)
    assert (ask("a", failing, a_webhook()), ask("b")) == (1, 0)
    assert (ask("a"), ask("b", failing)) == (1, 0)
    assert asked == ["a", "b"]
    attention.remember("a", [failing, failing])
    now += 59
    assert (ask("a"), ask("b", failing)) == (2, 0)
    now += 2
    assert (ask("a"), ask("b", failing)) == (0, 1)
    assert asked == ["a", "b", "a", "b"]
