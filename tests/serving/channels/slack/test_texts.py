"""Slack's notation is read as people see it."""

import pytest

from serving.channels.slack.texts import read


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Fix it.", "Fix it."),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt; stays", "&lt; stays"),
        ("See <https://example.com/a?b=1>.", "See https://example.com/a?b=1."),
        ("See <http://example.com|example.com>.", "See example.com."),
        ("See <https://example.com/1|the ticket>.", "See the ticket (https://example.com/1)."),
        ("<mailto:ann@example.com|ann@example.com>", "ann@example.com"),
        ("<@U123|ann>, in <#C1|general>", "@ann, in #general"),
        ("<@U123>: please", "<@U123>: please"),
        ("<!here> and <!subteam^S1|@team>", "@here and @team"),
        ("1 < 2 > 1, <>", "1 < 2 > 1, <>"),
    ],
)
def test_a_text_is_read_as_it_is_seen(written: str, seen: str) -> None:
    assert read(written) == seen
