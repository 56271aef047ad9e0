"""Which organisations have webhooks that somebody has to mend: the navigation of their admins marks them.

Every page has the navigation, so a process remembers the count for a while and does not ask the gateway for
each page. A mark may be late by that time.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from data.webhooks.subscriptions import Webhook

_REMEMBERED_S = 60.0
_PATIENCE = timedelta(days=1)  # most receivers that are down are up again within it


def needs_attention(webhook: Webhook) -> bool:
    """Whether a webhook was disabled by itself, or has failed for more than a day. One that a person has
    disabled is as somebody wants it.
    """
    if webhook.disabled_at is not None:
        return webhook.disabled_reason is not None
    return webhook.failing_since is not None and datetime.now(UTC) - webhook.failing_since > _PATIENCE


class Attention:
    """The number of such webhooks by organisation. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[float, int]] = {}  # until when it holds, and the count

    def count(self, organisation_id: str, ask: Callable[[], Sequence[Webhook]]) -> int:
        """The count of an organisation; `ask` lists its webhooks if that is not known."""
        until, count = self._counts.get(organisation_id, (0.0, 0))
        return count if self._clock() < until else self.remember(organisation_id, ask())

    def remember(self, organisation_id: str, webhooks: Sequence[Webhook]) -> int:
        """Remember what a page has just read; the count."""
        count = sum(needs_attention(webhook) for webhook in webhooks)
        self._counts[organisation_id] = (self._clock() + _REMEMBERED_S, count)
        return count
