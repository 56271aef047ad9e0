"""Cards keep within Teams' limit, and texts of people have no effect in them."""

import json
import uuid
from typing import Any

import pytest
from microsoft_teams.cards import AdaptiveCard

from data.reasons import Language
from serving.channels.shown import Copied, Explained, Rewritten, Said, Shown, TwoRewrites
from serving.channels.teams import cards
from serving.differences import Part
from serving.sites.words import Words
from serving.web.choices import DEFAULT
from tests.teams import buttons, texts

ENGLISH = Words("en")
LIVE = "**b** [x](https://a.example) <at>Bob</at> {{DATE(2026-01-01T00:00:00Z)}} {{ other }}"


def find_strings(value: Any, key: str = "") -> list[tuple[str, str]]:
    """All strings of a document, with their keys."""
    if isinstance(value, dict):
        return [pair for name, inner in value.items() for pair in find_strings(inner, name)]
    if isinstance(value, list):
        return [pair for inner in value for pair in find_strings(inner, key)]
    return [(key, value)] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "shown",
    [
        Copied(LIVE),
        Rewritten(uuid.uuid4(), LIVE, (LIVE,), None, LIVE),
        TwoRewrites(uuid.uuid4(), LIVE, LIVE),
        Explained(uuid.uuid4(), [Part("insert", LIVE)], (LIVE,), (LIVE,), None, LIVE),
    ],
    ids=["copied", "rewritten", "two", "explained"],
)
def test_no_format_mention_or_function_of_a_text_works(shown: Any) -> None:
    """Runs of text have none; a TextBlock would read Markdown. A field shows a text as it is."""
    (card,) = cards.draw(shown, ENGLISH)
    assert "TextBlock" not in {value for key, value in find_strings(card) if key == "type"}
    assert "entities" not in card["msteams"]
    for key, value in find_strings(card):
        if "Bob" in value:
            assert key in ("text", "value"), key
        if key == "text":
            assert "{{DATE(" not in value
            assert ("{{ other }}" in value) == ("Bob" in value)


def test_lines_stay_lines() -> None:
    (card,) = cards.draw(Copied("- one\n- two\n\nthree"), ENGLISH)
    assert texts(card)[:4] == ["- one", "- two", " ", "three"]
    parts = [Part("equal", "a\nb "), Part("delete", "c\n"), Part("insert", "d")]
    (card,) = cards.draw(Explained(uuid.uuid4(), parts, (), (), None, "v1"), ENGLISH)
    assert texts(card)[:3] == ["a", "b c", "d"]
    assert card["body"][1]["inlines"][1]["strikethrough"]
    assert card["body"][2]["inlines"][0]["weight"] == "bolder"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_longest_message_fits_into_one_card(language: Language) -> None:
    longest = "長" * 8_000
    (card,) = cards.draw(Rewritten(uuid.uuid4(), longest, (), None), Words(language))
    assert "edit" in buttons(card)
    for shown in (card, cards.ask_for_message(longest, DEFAULT, Words(language))):
        assert len(json.dumps(shown, ensure_ascii=False).encode("utf-16-le")) < 80_000


def test_longer_texts_become_several_cards_with_the_buttons_at_the_end() -> None:
    text = "\n".join("x" * 500 for _ in range(200))
    drawn = cards.draw(Rewritten(uuid.uuid4(), text, (), None), ENGLISH)
    assert len(drawn) > 1
    assert "\n".join(line for card in drawn for line in texts(card)) == text
    assert not any(buttons(card) for card in drawn[:-1])
    assert set(buttons(drawn[-1])) == {"use", "compare", "better", "worse", "why"}
    for card in drawn:
        assert len(json.dumps(card, ensure_ascii=False).encode("utf-16-le")) < 80_000


def test_the_question_for_consent_carries_what_is_wanted_if_it_is_not_too_long() -> None:
    for text, carried in (("x" * 8_000, True), ("x" * 8_001, False)):
        card = cards.ask_for_consent("Acme", {"text": text})
        for verb in ("agree", "agree_untrained"):
            assert (buttons(card)[verb]["data"] == {"text": text}) == carried
        assert texts(card)[-1] == "ToneBridge: Acme"


def make_all(words: Words) -> list[dict[str, Any]]:
    """A card of each kind."""
    job = uuid.uuid4()
    parts = [Part("equal", "a\nb "), Part("delete", "c"), Part("insert", "d")]
    shown: list[Shown] = [
        Said("a"),
        Copied("a\nb"),
        Rewritten(job, "a", ("x",), None, "n"),
        TwoRewrites(job, "a", "b"),
        Explained(job, parts, ("k",), ("x",), None, "v1"),
    ]
    return [
        *(card for outcome in shown for card in cards.draw(outcome, words)),
        cards.explain_use(DEFAULT, words),
        cards.ask_how_to_leave(words),
        cards.ask_for_message("a", DEFAULT, words),
        cards.say_in_both("a", "b"),
        *(cards.ask_for_consent("Acme", {"text": "a"}, is_dialog) for is_dialog in (False, True)),
    ]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_microsofts_library_knows_all_of_each_card(language: Language) -> None:
    """Its models refuse a wrong value, and drop a field that they do not know."""
    for card in make_all(Words(language)):
        read = AdaptiveCard.model_validate(card).model_dump(by_alias=True, mode="json")
        assert keep_common(read, card) == card


def keep_common(read: Any, written: Any) -> Any:
    """What was read, without the fields that were not written."""
    if isinstance(written, dict):
        return {name: keep_common(read[name], value) for name, value in written.items() if name in read}
    if isinstance(written, list):
        return [keep_common(*pair) for pair in zip(read, written, strict=True)]
    return read
