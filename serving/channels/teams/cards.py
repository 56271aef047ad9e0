"""What people see, as Adaptive Cards (https://adaptivecards.io).

Texts of people are runs of text, in which nothing is a mention, a link or a format. Teams takes messages of
80 KB for sure, counted as UTF-16, so what is longer becomes several cards.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from serving.channels import phrases
from serving.channels.shown import Copied, Explained, Listed, Rewritten, Said, Shown, TwoRewrites, list_notes
from serving.channels.teams.connector import NAME
from serving.differences import Part
from serving.sites.words import Words
from serving.web.choices import LEVELS, TYPES, Choice, Wanted

Element = dict[str, Any]
Card = dict[str, Any]

CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
MOST_CHARACTERS = 35_000  # of the JSON of a card: 70 KB as UTF-16
_LONGEST = 8_000  # characters of a run of text, of a field, and of what a button carries
_MOST_PARTS = 200  # of the differences that are drawn
_STYLES: Mapping[str, dict[str, Any]] = {
    "delete": {"strikethrough": True},
    "insert": {"weight": "bolder"},
    "equal": {},
}
_NOTE = {"size": "small", "isSubtle": True}
_FUNCTION = re.compile(r"\{\{(?=(?:DATE|TIME)\()")  # Teams would show its value


def _run(text: str, **style: Any) -> Element:
    return {"type": "TextRun", "text": _FUNCTION.sub("{\u2060{", text) or " ", **style}


def _line(*runs: Element, **more: Any) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **more}


def _lines(text: str, **style: Any) -> list[Element]:
    """A text, line by line: a block shows no line breaks of its text in every Teams."""
    lines = text.splitlines() or ["–"]
    pieces = [
        line[start : start + _LONGEST] for line in lines for start in range(0, len(line) or 1, _LONGEST)
    ]
    return [
        _line(_run(piece, **style), spacing="none" if number else "default")
        for number, piece in enumerate(pieces)
    ]


def _note(text: str) -> Element:
    return _line(_run(text[:_LONGEST], **_NOTE))


def _execute(verb: str, title: str, data: Mapping[str, Any], **more: Any) -> Element:
    return {"type": "Action.Execute", "verb": verb, "title": title, "data": dict(data), **more}


def _submit(verb: str, title: str, data: Mapping[str, Any], **more: Any) -> Element:
    """In dialogs, which know no Action.Execute."""
    return {"type": "Action.Submit", "title": title, "data": {"verb": verb, **data}, **more}


def _fold_out(title: str, elements: Sequence[Element], *actions: Element) -> Element:
    card = {"type": "AdaptiveCard", "body": list(elements), "actions": list(actions)}
    return {"type": "Action.ShowCard", "title": title, "card": card}


def _buttons(*actions: Element) -> Element:
    return {"type": "ActionSet", "actions": list(actions)}


def _field(text: str, label: str) -> Element:
    return {
        "type": "Input.Text",
        "id": "text",
        "label": label,
        "isMultiline": True,
        "isRequired": True,
        "errorMessage": label,
        "value": text,
        "maxLength": _LONGEST,
    }


def _choose(id: str, label: str, choices: Sequence[Choice], value: str, words: Words) -> Element:
    named = [{"title": words.say(choice.name), "value": choice.value} for choice in choices]
    return {"type": "Input.ChoiceSet", "id": id, "label": label, "choices": named, "value": value}


def make(elements: Sequence[Element]) -> Card:
    """One card of these elements."""
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "full"},
        "body": list(elements),
    }


def split(elements: Sequence[Element]) -> list[Card]:
    """As few cards as hold the elements, in their order."""
    groups: list[list[Element]] = [[]]
    length = 0
    for element in elements:
        added = len(json.dumps(element, ensure_ascii=False))
        if groups[-1] and length + added > MOST_CHARACTERS:
            groups.append([])
            length = 0
        groups[-1].append(element)
        length += added
    return [make(group) for group in groups]


def say(sentence: str) -> Card:
    """A sentence."""
    return make(_lines(sentence))


def say_in_both(english: str, japanese: str) -> Card:
    """A sentence for a person whose language is not known."""
    return make([*_lines(english), *_lines(japanese)])


def ask_for_consent(organisation: str, wanted: Mapping[str, Any], is_dialog: bool = False) -> Card:
    """What is stored, by whom, and whether the person agrees. The buttons carry what the person wants, if
    they can hold it; otherwise the person asks again.
    """
    english, japanese = phrases.ask_for_consent(NAME, "stop")
    carried = dict(wanted) if len(wanted.get("text", "")) <= _LONGEST else {}
    act = _submit if is_dialog else _execute
    return make(
        [
            *_lines(english),
            *_lines(japanese),
            _note(f"ToneBridge: {organisation}"),
            _buttons(
                act("agree", phrases.AGREE, carried, style="positive"),
                act("agree_untrained", phrases.AGREE_UNTRAINED, carried),
            ),
        ]
    )


def _draw_form(text: str, wanted: Wanted, words: Words) -> list[Element]:
    say = words.say
    return [
        _field(text, say("Your message")),
        _choose("transform_type", say("What should change"), TYPES, wanted.transform_type, words),
        _choose("intensity", say("How much"), LEVELS, wanted.intensity, words),
    ]


def ask_for_message(text: str, wanted: Wanted, words: Words, problem: str = "") -> Card:
    """The dialog in which a person says how a message is rewritten, as `wanted` at first, and what was wrong
    with the last try.
    """
    action = _submit("rewrite", words.say("Rewrite"), {}, style="positive")
    problem_lines = _lines(problem) if problem else []
    return make([*problem_lines, *_draw_form(text, wanted, words), _buttons(action)])


def explain_use(wanted: Wanted, words: Words) -> Card:
    """How the chat is used, and a form for all that can be chosen, which is as `wanted` at first."""
    say = words.say
    action = _execute("rewrite", say("Rewrite"), {}, style="positive")
    return make(
        [
            *_lines(say("Send your message here. Only you see the rewrite.")),
            *_lines(
                say(
                    "For another kind of rewrite, begin with its name in small letters and a colon, as in"
                    " “clarify: It should be done soon.” The names are soften, clarify, structure, summarize,"
                    " terminology, requirements and background. A number before the colon says how much, from"
                    " 0 to 3, as in “soften 3: Fix it.”"
                )
            ),
            *_lines(say("On any message, choose More actions, then Rewrite with ToneBridge.")),
            *_lines(phrases.explain_terms("terms", words)),
            *_lines(say("Send stop to end it.")),
            _buttons(_fold_out(say("Choose how"), _draw_form("", wanted, words), action)),
        ]
    )


def ask_how_to_leave(words: Words) -> Card:
    """The two ways to stop."""
    say = words.say
    warning = [*_lines(say("Delete everything?")), _note(say("This cannot be undone."))]
    return make(
        [
            *_lines(say("ToneBridge will no longer know who you are here.")),
            _buttons(
                _execute("leave", say("Stop"), {}),
                _fold_out(
                    say("Stop, and delete what I wrote and voted"),
                    warning,
                    _execute("erase", say("Delete"), {}, style="destructive"),
                ),
            ),
        ]
    )


def draw(shown: Shown, words: Words) -> list[Card]:
    """What a person gets to see."""
    match shown:
        case Said(sentence):
            return split(_lines(sentence))
        case Copied(text):
            # A bot cannot change what a person has written, so the person copies the text.
            return split(
                [*_lines(text), _note(words.say("Copy this text, and send it as your own message."))]
            )
        case Listed(listed, note):
            return split([*_lines("\n".join(listed)), _note(note)])
        case Rewritten():
            return split(_draw_rewrite(shown, words))
        case TwoRewrites(job, first, second):
            return split(_draw_two(job, first, second, words))
        case Explained():
            return split(_draw_why(shown, words))


def _draw_rewrite(shown: Rewritten, words: Words) -> list[Element]:
    say, about = words.say, {"about": str(shown.job)}
    elements = [*_lines(shown.text), *map(_note, list_notes(shown, words))]
    edit = _fold_out(
        say("Edit"), [_field(shown.text, say("Your version"))], _execute("edit", say("Save"), about)
    )
    return [
        *elements,
        _buttons(
            _execute("use", say("Use it"), about, style="positive"),
            *([edit] if len(shown.text) <= _LONGEST else []),
            _execute("compare", say("Two to choose from"), about),
        ),
        _buttons(
            _execute("better", say("Better than mine"), about),
            _execute("worse", say("Worse than mine"), about),
            _execute("why", say("Why?"), about),
        ),
    ]


def _draw_two(job: uuid.UUID, first: str, second: str, words: Words) -> list[Element]:
    say, about = words.say, {"about": str(job)}
    second_lines = _lines(second)
    second_lines[0] = {**second_lines[0], "separator": True, "spacing": "large"}
    return [
        *_lines(first),
        _buttons(_execute("first", say("This one is better"), about)),
        *second_lines,
        _buttons(
            _execute("second", say("This one is better"), about),
            _execute("neither", say("Neither"), about),
        ),
    ]


def _draw_why(shown: Explained, words: Words) -> list[Element]:
    return [
        *_mark(shown.parts[:_MOST_PARTS]),
        *map(_note, list_notes(shown, words)),
        _buttons(_execute("use", words.say("Use it"), {"about": str(shown.job)}, style="positive")),
    ]


def _mark(parts: Sequence[Part]) -> list[Element]:
    lines: list[list[Element]] = [[]]
    for part in parts:
        for number, piece in enumerate(part.text.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append(_run(piece, **_STYLES[part.kind]))
    return [_line(*(runs or [_run("")]), spacing="none") for runs in lines]
