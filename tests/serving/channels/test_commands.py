"""What people write is a command only as a whole, and names a kind only in a form that no sentence has."""

import pytest

from data.records import TransformType
from serving.channels.commands import Command, Message, read
from serving.channels.orders import TermChange


@pytest.mark.parametrize("kind", TransformType)
@pytest.mark.parametrize(
    "rest", ["are missing again.", "this with Anna, please", "2 and 3 are late: why?", ""]
)
def test_a_sentence_that_begins_with_a_kind_names_none(kind: TransformType, rest: str) -> None:
    for word in (kind, kind.capitalize(), kind.upper()):
        sentence = f"{word} {rest}".strip()
        assert read(sentence) == Message(sentence)
    for heading in (f"{kind.capitalize()}: a login page", f"{kind}d: see above", f"The {kind}: a list"):
        assert read(heading) == Message(heading)


@pytest.mark.parametrize("kind", TransformType)
def test_a_kind_in_small_letters_with_a_colon_is_named(kind: TransformType) -> None:
    assert read(f" {kind}: It should be done soon. ") == Message("It should be done soon.", kind, 2)
    assert read(f"{kind}:\nFix it:\nnow") == Message("Fix it:\nnow", kind, 2)
    assert read(f"{kind}：直してください。") == Message("直してください。", kind, 2)
    for intensity in range(4):
        assert read(f"{kind} {intensity}: Fix it.") == Message("Fix it.", kind, intensity)
    for message in (f"{kind} 4: Fix it.", f"{kind}:", f"{kind} 3:"):
        assert read(message) == Message(message)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command.HELP),
        (" \n", Command.HELP),
        ("help", Command.HELP),
        ("Help", Command.HELP),
        (" STOP ", Command.STOP),
        ("Rules", Command.RULES),
        ("rules  ON", Command.RULES_ON),
        ("rules off", Command.RULES_OFF),
        ("Terms", Command.TERMS),
    ],
)
def test_a_command_is_the_whole_text_in_any_case(text: str, command: Command) -> None:
    assert read(text) is command


@pytest.mark.parametrize(
    "text",
    [
        "Help me.",
        "stop it",
        "Rules on dress codes",
        "help!",
        "terms keep changing",
        "Terms of use: see below",
    ],
)
def test_a_message_that_begins_with_a_command_is_a_message(text: str) -> None:
    assert read(text) == Message(text)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("terms keep: Project Harsh", ("keep", "Project Harsh", "")),
        ("Terms Keep： A = B", ("keep", "A = B", "")),
        ("terms explain: SLO = a = b", ("explain", "SLO", "a = b")),
        ("terms replace:ユーザー＝お客様", ("replace", "ユーザー", "お客様")),
        ("terms replace: user", ("replace", "user", "")),
        ("terms remove: user = x", ("remove", "user = x", "")),
        ("terms remove:", ("remove", "", "")),
    ],
)
def test_a_term_is_changed_by_a_command_with_a_colon(text: str, change: tuple[str, str, str]) -> None:
    action, term, wording = change
    assert read(text) == TermChange.model_validate({"action": action, "term": term, "wording": wording})


def test_an_order_without_a_kind_is_open_to_rules() -> None:
    assert Message("Fix it.").order == {"text": "Fix it.", "kind_is_open": True}
    named = Message("Fix it.", TransformType.CLARIFY, 0)
    assert named.order == named.wanted == {"text": "Fix it.", "transform_type": "clarify", "intensity": 0}
    assert Message("Fix it.").wanted == {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
