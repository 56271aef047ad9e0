"""Which webhooks need attention, and how long a process remembers their number."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.reasons import reason
from data.webhooks.events import EventType
from data.webhooks.subscriptions import Webhook
from serving.dashboard.attention import Attention, count_new, count_webhooks, needs_attention

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


def test_webhooks_and_new_feedback_are_counted() -> None:
    failing = a_webhook(disabled_at=NOW, disabled_reason=GONE)
    assert count_webhooks([failing, a_webhook(), failing]) == 2
    feedback = [{"created_at": (NOW - timedelta(hours=hours)).isoformat()} for hours in (0, 167, 169)]
    assert count_new(feedback) == 2


def test_a_count_is_remembered_by_organisation_and_page_for_a_minute() -> None:
    now, asked = 1000.0, list[tuple[str, str]]()
    attention = Attention(lambda: now)

    def ask(name: str, page: str, count: int = 0) -> int:
        def answer() -> int:
            asked.append((name, page))
            return count

        return attention.count(name, page, answer)

    assert (ask("a", "/x", 1), ask("b", "/x"), ask("a", "/y", 5)) == (1, 0, 5)
    assert (ask("a", "/x"), ask("b", "/x", 1), ask("a", "/y")) == (1, 0, 5)
    assert asked == [("a", "/x"), ("b", "/x"), ("a", "/y")]
    attention.remember("a", "/x", 2)
    attention.forget("a", "/y")
    now += 59
    assert (ask("a", "/x"), ask("b", "/x", 1), ask("a", "/y", 6)) == (2, 0, 6)
    now += 2
    assert (ask("a", "/x"), ask("b", "/x", 1), ask("a", "/y")) == (0, 1, 6)
