"""What people see, as Slack's blocks (https://docs.slack.dev/reference/block-kit).

Texts of people are `plain_text` or `rich_text`, in which nothing is a mention, a link or a format.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from data.reasons import Language
from serving.channels import phrases
from serving.channels.shown import Copied, Explained, Listed, Rewritten, Said, Shown, TwoRewrites, list_notes
from serving.differences import Part
from serving.sites.words import Words
from serving.web.choices import LEVELS, TYPES, Choice, Wanted

Block = dict[str, Any]

_LONGEST = 3000  # characters of a section, of a field, and of what a window carries
_LONGEST_VALUE = 2000  # of a button
_MOST_PARTS = 200  # of the differences that are drawn
_STYLES: Mapping[str, dict[str, bool]] = {"delete": {"strike": True}, "insert": {"bold": True}, "equal": {}}
EDITED = "edited"  # the id of the field of a correction
KIND, INTENSITY = "transform_type", "intensity"  # the ids of choices
CONSENT = "\n\n".join(phrases.ask_for_consent("Slack", "`/tonebridge stop`"))


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _sections(text: str) -> list[Block]:
    """A text in sections; one holds so many characters."""
    pieces = [text[start : start + _LONGEST] for start in range(0, len(text), _LONGEST)] or ["–"]
    return [{"type": "section", "text": _plain(piece)} for piece in pieces]


def _note(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text[:_LONGEST])]}


def _button(action: str, label: str, value: str, **more: Any) -> Block:
    return {"type": "button", "action_id": action, "text": _plain(label), "value": value, **more}


def _buttons(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def ask_for_consent(wanted: Mapping[str, Any]) -> list[Block]:
    """What is stored, and whether the person agrees. The buttons carry what the person wants, if they can
    hold it; otherwise the person asks again.
    """

    def carry(training: bool) -> str:
        value = json.dumps({**wanted, "training": training}, ensure_ascii=False)
        return value if len(value) <= _LONGEST_VALUE else json.dumps({"training": training})

    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": CONSENT}},
        _buttons(
            _button("agree", phrases.AGREE, carry(True), style="primary"),
            _button("agree_untrained", phrases.AGREE_UNTRAINED, carry(False)),
        ),
    ]


def say_in_both(english: str, japanese: str) -> list[Block]:
    """A sentence for a person whose language is not known."""
    return [*_sections(english), *_sections(japanese)]


def explain_use(words: Words) -> list[Block]:
    """How the command is used."""
    say = words.say
    return [
        *_sections(say("Send /tonebridge and your message. Only you see the rewrite.")),
        *_sections(
            say(
                "For another kind of rewrite, begin with its name in small letters and a colon, as in"
                " “clarify: It should be done soon.” The names are soften, clarify, structure, summarize,"
                " terminology, requirements and background. A number before the colon says how much,"
                " from 0 to 3, as in “soften 3: Fix it.”"
            )
        ),
        *_sections(say("On any message, choose Rewrite with ToneBridge from its menu.")),
        *_sections(say("/tonebridge rules on has rewrites suggested while you write in channels.")),
        *_sections(phrases.explain_terms("/tonebridge terms", words)),
        *_sections(say("/tonebridge stop ends it.")),
    ]


def explain_proposals(is_on: bool, words: Words) -> list[Block]:
    """Whether rules are tried on what the person writes in channels, and what that means."""
    say = words.say
    if not is_on:
        return _sections(
            say(
                "Suggestions are off: ToneBridge does not look at what you write in channels. Send"
                " /tonebridge rules on to start them."
            )
        )
    return _sections(
        say(
            "Suggestions are on. What you write in public channels that ToneBridge is in is compared with"
            " your organisation's rules. Only if one fits, the message is stored, and a rewrite is suggested"
            " to you alone. Nothing is posted for you. Send /tonebridge rules off to end this."
        )
    )


def ask_how_to_leave(words: Words) -> list[Block]:
    """The two ways to stop."""
    say = words.say
    confirm = {
        "title": _plain(say("Delete everything?")),
        "text": _plain(say("This cannot be undone.")),
        "confirm": _plain(say("Delete")),
        "deny": _plain(say("Cancel")),
    }
    return [
        *_sections(say("ToneBridge will no longer know who you are here.")),
        _buttons(
            _button("leave", say("Stop"), "leave"),
            _button(
                "erase",
                say("Stop, and delete what I wrote and voted"),
                "erase",
                style="danger",
                confirm=confirm,
            ),
        ),
    ]


def draw(shown: Shown, words: Words) -> list[Block]:
    """What a person gets to see."""
    match shown:
        case Said(sentence):
            return _sections(sentence)
        case Copied(text):
            # A bot cannot change what a person has written, so the person copies the text.
            return [*_sections(text), _note(words.say("Copy this text, and send it as your own message."))]
        case Listed(lines, note):
            return [*_sections("\n".join(lines)), _note(note)]
        case Rewritten():
            return _draw_rewrite(shown, words)
        case TwoRewrites(job, first, second):
            return _draw_two(job, first, second, words)
        case Explained():
            return _draw_why(shown, words)


def _draw_rewrite(shown: Rewritten, words: Words) -> list[Block]:
    say, job = words.say, str(shown.job)
    blocks = [*_sections(shown.text), *map(_note, list_notes(shown, words))]
    vote = [
        _button("use", say("Use it"), job, style="primary"),
        *([_button("edit", say("Edit"), job)] if len(shown.text) <= _LONGEST else []),
        _button("better", say("Better than mine"), job),
        _button("worse", say("Worse than mine"), job),
        _button("compare", say("Two to choose from"), job),
        _button("why", say("Why?"), job),
    ]
    return [*blocks, _buttons(*vote[:5]), *([_buttons(*vote[5:])] if vote[5:] else [])]


def _draw_two(job: uuid.UUID, first: str, second: str, words: Words) -> list[Block]:
    say = words.say
    return [
        *_sections(first),
        _buttons(_button("first", say("This one is better"), str(job))),
        {"type": "divider"},
        *_sections(second),
        _buttons(
            _button("second", say("This one is better"), str(job)),
            _button("neither", say("Neither"), str(job)),
        ),
    ]


def _draw_why(shown: Explained, words: Words) -> list[Block]:
    return [
        _mark(shown.parts[:_MOST_PARTS]),
        *map(_note, list_notes(shown, words)),
        _buttons(_button("use", words.say("Use it"), str(shown.job), style="primary")),
    ]


def _mark(parts: Sequence[Part]) -> Block:
    elements = [
        {"type": "text", "text": part.text, **({"style": _STYLES[part.kind]} if _STYLES[part.kind] else {})}
        for part in parts
    ]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def modal(blocks: Sequence[Block], language: Language | None = None) -> dict[str, Any]:
    """A window with these blocks; in both languages when that of the person is not known."""
    close = "Close · 閉じる" if language is None else Words(language).say("Close")
    return {"type": "modal", "title": _plain("ToneBridge"), "close": _plain(close), "blocks": list(blocks)}


def ask_for_message(text: str, wanted: Wanted, words: Words) -> dict[str, Any] | None:
    """The window in which a person says how a message is rewritten, as `wanted` at first. None when the
    message is too long for a window to carry it.

    It has a button and not Slack's own one of windows, whose answer would replace a rewrite that is there
    before it.
    """
    say, carried = words.say, json.dumps({"text": text, **wanted._asdict()}, ensure_ascii=False)
    if len(carried) > _LONGEST:
        return None
    drawn = [
        *_sections(text),
        _select(KIND, say("What should change?"), TYPES, wanted.transform_type, words),
        _select(INTENSITY, say("How much?"), LEVELS, wanted.intensity, words),
        _buttons(_button("rewrite", say("Rewrite"), "rewrite", style="primary")),
    ]
    return {**modal(drawn, words.language), "private_metadata": carried}


def read_message(view: Mapping[str, Any]) -> tuple[str, Wanted]:
    """The message in a window that `ask_for_message` has made, and what the person has chosen."""
    carried, values = json.loads(view["private_metadata"]), view["state"]["values"]

    def read(name: str) -> str:
        selected = values.get(name, {}).get(name, {}).get("selected_option")
        return str(selected["value"] if selected else carried[name])

    return carried["text"], Wanted(read(KIND), read(INTENSITY))


def _select(name: str, label: str, offered: Sequence[Choice], chosen: str, words: Words) -> Block:
    options = {
        choice.value: {"text": _plain(words.say(choice.name)), "value": choice.value} for choice in offered
    }
    select = {
        "type": "static_select",
        "action_id": name,
        "options": list(options.values()),
        "initial_option": options[chosen],
    }
    return {"type": "section", "block_id": name, "text": _plain(label), "accessory": select}


def ask_for_edit(about: str, where: str, text: str, words: Words) -> dict[str, Any]:
    """The window in which a person corrects a rewrite. `where` is the sealed place of the outcome."""
    say = words.say
    field = {
        "type": "plain_text_input",
        "action_id": EDITED,
        "multiline": True,
        "initial_value": text,
        "max_length": _LONGEST,
    }
    return {
        **modal(
            [{"type": "input", "block_id": EDITED, "label": _plain(say("Your version")), "element": field}]
        ),
        "callback_id": "edit",
        "submit": _plain(say("Save")),
        "close": _plain(say("Cancel")),
        "private_metadata": json.dumps({"about": about, "where": where}),
    }
