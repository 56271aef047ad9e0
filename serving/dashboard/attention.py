"""What needs the attention of an organisation's admins: the navigation marks the pages with it.

Every page has the navigation, so a process remembers the counts for a while and does not ask the gateway for
each page. A mark may be late by that time.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from data.webhooks.subscriptions import Webhook

_REMEMBERED_S = 60.0
_PATIENCE = timedelta(days=1)  # most receivers that are down are up again within it
_NEW = timedelta(days=7)


def needs_attention(webhook: Webhook) -> bool:
    """Whether a webhook was disabled by itself, or has failed for more than a day. One that a person has
    disabled is as somebody wants it.
    """
    if webhook.disabled_at is not None:
        return webhook.disabled_reason is not None
    return webhook.failing_since is not None and datetime.now(UTC) - webhook.failing_since > _PATIENCE


def count_webhooks(webhooks: Iterable[Webhook]) -> int:
    """How many webhooks somebody has to mend."""
    return sum(needs_attention(webhook) for webhook in webhooks)


def count_new(feedback: Iterable[Mapping[str, Any]]) -> int:
    """How many people said something about the app in the last seven days that nobody has deleted."""
    since = datetime.now(UTC) - _NEW
    return sum(datetime.fromisoformat(item["created_at"]) > since for item in feedback)


class Attention:
    """The count of each page by organisation. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}  # until when it holds, and the count

    def count(self, organisation_id: str, page: str, ask: Callable[[], int]) -> int:
        """The count of a page for an organisation; `ask` counts if that is not known."""
        until, count = self._counts.get((organisation_id, page), (0.0, 0))
        return count if self._clock() < until else self.remember(organisation_id, page, ask())

    def forget(self, organisation_id: str, page: str) -> None:
        """Forget a count that has changed."""
        self._counts.pop((organisation_id, page), None)

    def remember(self, organisation_id: str, page: str, count: int) -> int:
        """Remember what a page has just counted; the count."""
        self._counts[organisation_id, page] = (self._clock() + _REMEMBERED_S, count)
        return count
