"""Discord's notation is read as people see it, and a text of a person has no effect in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.channels.discord.texts import escape, mark, read, unescape, write_block

PEOPLE = [
    {"id": "1", "username": "ann", "global_name": "Ann B."},
    {"id": "2", "username": "bob", "global_name": None},
]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Fix it.", "Fix it."),
        ("<@1> and <@!2>: please", "@Ann B. and @bob: please"),
        ("<@3> and <@&4>, in <#5>", "<@3> and <@&4>, in <#5>"),
        ("<:party:77><a:wave:78>", ":party::wave:"),
        ("1 < 2 > 1, **bold**", "1 < 2 > 1, **bold**"),
    ],
)
def test_a_text_is_read_as_it_is_seen(written: str, seen: str) -> None:
    assert read(written, PEOPLE) == seen


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Fix it, please - today.", "Fix it, please - today."),
        ("**a** __b__ ~~c~~ `d` ||e||", r"\*\*a\*\* \_\_b\_\_ \~\~c\~\~ \`d\` \|\|e\|\|"),
        ("@everyone <@1> <#2>", r"\@everyone \<\@1\> \<\#2\>"),
        ("https://example.com [a](b)", r"https\://example.com \[a](b)"),
        ("# a\n> b\n- c\n 10. d\n-# e", "\\# a\n\\> b\n\\- c\n 10\\. d\n-\\# e"),
        ("a - b\n-c\n1.5 GB", "a - b\n-c\n1.5 GB"),
        ("a\\*b\\", "a\\\\\\*b\\\\"),
        ("テスト：* 完了", r"テスト：\* 完了"),
    ],
)
def test_an_escaped_text_has_no_effect_and_can_be_read_again(text: str, written: str) -> None:
    assert escape(text) == written
    assert unescape(written) == text


@given(st.text("ab 1.\n\\*_~`|<>@#:[]()-+テ。"))
def test_no_text_keeps_an_effect_or_loses_a_character(text: str) -> None:
    written = escape(text)
    assert unescape(written) == text
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", written)
    assert not set(bare) & set("\\*_~`|<>@#:[")
    assert not re.search(r"^[ \t]*(?:\d+\.|[-+])\s", written, re.MULTILINE)


def test_a_block_shows_a_text_as_it_is_unless_the_text_would_end_it() -> None:
    assert write_block("a **b**") == "```\na **b**\n```"
    assert write_block("a ``` b") == r"a \`\`\` b"


@pytest.mark.parametrize(
    ("text", "marked"), [("a*", r"**a\***"), (" a b\n", " **a b**\n"), ("  ", "  "), ("", "")]
)
def test_a_format_begins_and_ends_at_letters(text: str, marked: str) -> None:
    assert mark(text, "**") == marked
