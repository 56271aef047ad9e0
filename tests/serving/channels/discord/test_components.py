"""What people see fits into Discord's messages and forms, and nothing in a person's text works."""

import json
import uuid
from pathlib import Path
from typing import Any, get_args

import pytest

from data.reasons import reason
from data.records import TransformType
from serving.channels.discord import components, listeners
from serving.channels.discord.components import Wanted, draw
from serving.channels.orders import TermAction
from serving.channels.shown import Copied, Explained, Listed, Rewritten, Said, Shown, TwoRewrites
from serving.differences import Part
from serving.sites.words import LANGUAGES, Words
from serving.web import choices
from tests.discords import texts

EN, JA = Words("en"), Words("ja")
JOB = uuid.uuid4()
COMMANDS = json.loads(
    (Path(__file__).parents[4] / "docs" / "channels" / "discord.json").read_text(encoding="utf-8")
)
LONG = ("long text. " * 1000, "長い文です。" * 1300, "*" * 3999)


def check(body: dict[str, Any]) -> None:
    """Discord's limits of a message: characters, bytes, components, buttons."""
    written = "".join(texts(body))
    assert len(written) <= 4000
    assert len(written.encode()) + 12 * len(texts(body)) <= 10_170
    rows = [part["components"] for part in body["components"] if part["type"] == 1]
    assert len(body["components"]) + sum(map(len, rows)) <= 40
    for row in rows:
        assert 1 <= len(row) <= 5
        for button in row:
            assert 1 <= len(button["label"]) <= 80
            assert 1 <= len(button["custom_id"]) <= 100
    assert all(content.strip() for content in texts(body))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fact", ["PAY-1", "*_*", "請求番号"])
@pytest.mark.parametrize("text", ["", "Fix it.", *LONG], ids=len)
def test_everything_fits(text: str, fact: str, language: Any) -> None:
    words, facts = Words(language), (fact,) * 500
    unchanged = reason("workspace_disconnected")
    everything: list[Shown] = [
        Said(text),
        Copied(text),
        Listed((text, fact), fact),
        Rewritten(JOB, text, facts, unchanged, "Noted."),
        TwoRewrites(JOB, text, text),
        Explained(JOB, [Part("delete", text), Part("insert", text)], facts, facts, unchanged, "v1"),
    ]
    for shown in everything:
        check(draw(shown, words).body)
    check(components.ask_for_consent(words, text, Wanted(TransformType.REQUIREMENTS, 3)).body)
    for drawn in (components.explain_use(words), components.ask_how_to_leave(words)):
        check(drawn.body)
    check(components.ask_whether_to_erase(words).body)
    check(components.say_later(words, text).body)


@pytest.mark.parametrize("text", ["Fix it.", "a\\*b @everyone\n1. c"])
def test_the_question_for_consent_carries_what_is_wanted(text: str) -> None:
    asked = components.ask_for_consent(JA, text, Wanted())
    assert components.read_wanted(asked.body) == text
    assert components.read_wanted(components.ask_for_consent(EN, "", Wanted()).body) == ""
    for long in LONG:
        assert components.read_wanted(components.ask_for_consent(EN, long, Wanted()).body) == ""


def test_a_text_works_nowhere() -> None:
    evil = "@everyone <@1> [a](https://example.com) **b**"
    for shown in (Said(evil), Rewritten(JOB, evil, (evil,), None, evil), TwoRewrites(JOB, evil, evil)):
        body = draw(shown, EN).body
        assert body["allowed_mentions"] == {"parse": []}
        assert body["flags"] & 4, "no embeds of links"
        for content in texts(body):
            assert "<@" not in content
            assert "https:" not in content
            assert "**" not in content


def test_differences_are_marked() -> None:
    parts = [Part("equal", "Fix "), Part("delete", "it "), Part("insert", "*this*"), Part("equal", ".")]
    shown = draw(Explained(JOB, parts, (), (), None, "v1"), EN)
    assert texts(shown.body)[0] == r"Fix ~~it~~ **\*this\***."


@pytest.mark.parametrize("words", [EN, JA], ids=["English", "Japanese"])
def test_forms_are_within_limits(words: Words) -> None:
    for form in (
        components.ask_for_message("x" * 4000, choices.DEFAULT, words),
        components.ask_for_edit(JOB, "x" * 4000, words),
    ):
        assert form["type"] == 9
        assert len(form["data"]["title"]) <= 45
        assert 1 <= len(form["data"]["components"]) <= 5
        assert all(len(part["label"]) <= 45 for part in form["data"]["components"])
    assert "edit" not in str(draw(Rewritten(JOB, "x" * 4001, (), None), words).components)


def test_the_registered_commands_are_those_that_are_known() -> None:
    slash, *menu = COMMANDS
    assert slash["name"] == listeners.COMMAND
    assert [command["name"] for command in menu] == [
        listeners.REWRITE, listeners.REWRITE_WITH_CHOICES
    ]  # fmt: skip
    for command in COMMANDS:
        assert (command["contexts"], command["integration_types"]) == ([0], [0]), "in servers alone"
    assert [option["name"] for option in slash["options"]] == ["rewrite", "terms", "help", "stop"]
    text, kind, intensity = slash["options"][0]["options"]
    assert (text["name"], kind["name"], intensity["name"]) == (
        components.TEXT, components.KIND, components.INTENSITY
    )  # fmt: skip
    what, term, wording = slash["options"][1]["options"]
    assert (what["name"], term["name"], wording["name"]) == (
        components.WHAT, components.TERM, components.WORDING
    )  # fmt: skip
    assert [choice["value"] for choice in what["choices"]] == list(get_args(TermAction))
    for option, offered in ((kind, choices.TYPES), (intensity, choices.LEVELS)):
        named = [(str(choice["value"]), choice["name"]) for choice in option["choices"]]
        assert named == [(choice.value, choice.name) for choice in offered]


def test_the_registered_commands_are_in_japanese_too_and_within_limits() -> None:
    def walk(part: dict[str, Any]) -> None:
        for field, most in (("name", 32), ("description", 100)):
            if field in part and part[field] not in ("tonebridge", "rewrite", "terms", "help", "stop"):
                japanese = part[f"{field}_localizations"]["ja"]
                assert 1 <= len(part[field]) <= most
                assert 1 <= len(japanese) <= most
        if "value" in part:
            assert part["name_localizations"]["ja"] == JA.say(part["name"]), "as in the web app"
        for inner in (*part.get("options", ()), *part.get("choices", ())):
            walk(inner)

    for command in COMMANDS:
        walk(command)
