"""What people see, as Discord's components (https://docs.discord.com/developers/components/reference).

Texts of people are escaped or in blocks of code, so that nothing in them is a mention, a link or a format.
What does not fit into a message is attached to it as a file.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from data.records import TransformType
from serving.channels import phrases
from serving.channels.discord import texts
from serving.channels.shown import Copied, Explained, Listed, Rewritten, Said, Shown, TwoRewrites, list_notes
from serving.differences import Part
from serving.sites.words import Words
from serving.web import choices

Component = dict[str, Any]

_ROW, _BUTTON, _SELECT, _INPUT, _TEXT, _FILE, _SEPARATOR, _LABEL = 1, 2, 3, 4, 10, 13, 14, 18
_PRIMARY, _SECONDARY, _DANGER = 1, 2, 4  # styles of buttons
_SUPPRESS_EMBEDS, EPHEMERAL, _COMPONENTS_V2 = 1 << 2, 1 << 6, 1 << 15  # flags of messages
_SHOW, _SHOW_LATER, _CHANGE_LATER, _CHANGE, _ASK = 4, 5, 6, 7, 9  # what to do, in answer to a request

# Discord takes 4,000 characters a message in all, and fails above 10,170 bytes of UTF-8
# (discord/discord-api-docs, number 8554). The rest is for buttons and notes.
_MOST, _MOST_BYTES = 2700, 7000
_LONGEST_NOTE = 200
_MOST_PARTS = 200  # of the differences that are drawn
LONGEST_FIELD = 4000  # characters of a field of a form
_BUTTONS_A_ROW = 5
_WANTED = 1000  # the id of the component with the message that waits for consent
_MARKS = {"delete": "~~", "insert": "**"}
TEXT, KIND, INTENSITY = "text", "kind", "intensity"  # fields of forms
WHAT, TERM, WORDING = "what", "term", "wording"  # options of the command for terms
_NONE: Mapping[str, str] = {}


class Wanted(NamedTuple):
    """What a person wants of a rewrite."""

    transform_type: TransformType = TransformType.SOFTEN
    intensity: int = 2


class Drawn(NamedTuple):
    """A message: its components, and the texts of its files by name."""

    components: list[Component]
    files: Mapping[str, str] = _NONE

    @property
    def body(self) -> dict[str, Any]:
        """The message for Discord. It replaces all that was in it before, files included."""
        return {
            "flags": _COMPONENTS_V2 | _SUPPRESS_EMBEDS,
            "components": self.components,
            "attachments": [{"id": number, "filename": name} for number, name in enumerate(self.files)],
            "allowed_mentions": {"parse": []},
        }


def reply(drawn: Drawn) -> dict[str, Any]:
    """Answer with a message that only the person sees; it has no files."""
    return {"type": _SHOW, "data": {**drawn.body, "flags": drawn.body["flags"] | EPHEMERAL}}


def change(drawn: Drawn) -> dict[str, Any]:
    """Answer by another content of the message whose button was clicked; it has no files."""
    return {"type": _CHANGE, "data": drawn.body}


def reply_later() -> dict[str, Any]:
    """Answer that a message comes, which only the person will see."""
    return {"type": _SHOW_LATER, "data": {"flags": EPHEMERAL}}


def change_later() -> dict[str, Any]:
    """Answer that the message whose button was clicked may change."""
    return {"type": _CHANGE_LATER}


def say(*sentences: str) -> Drawn:
    """Sentences, each a paragraph."""
    return Drawn([_text(texts.escape(sentence[: _MOST // 2])) for sentence in sentences])


def say_later(words: Words, written: str) -> Drawn:
    """That nothing can be taken at the moment; with what the person has written in a form, which is closed,
    if it fits.
    """
    block = _block(written)
    kept = [block] if written and _fits(block["content"]) else []
    return Drawn([*say(phrases.choose(phrases.LATER, words.language)).components, *kept])


def ask_for_consent(words: Words, text: str, wanted: Wanted) -> Drawn:
    """What is stored, and whether the person agrees. The message carries the text to rewrite, if there is
    one that fits; otherwise the person asks again.
    """
    asked = phrases.ask_for_consent("Discord", "/tonebridge stop")
    about = f"{wanted.transform_type}:{wanted.intensity}"
    carried = texts.escape(text)
    return Drawn(
        [
            _text(texts.escape(phrases.choose(asked, words.language))),
            *([{**_text(carried), "id": _WANTED}] if text and _fits(carried) else []),
            _row(
                _button(f"agree:{about}", phrases.AGREE, _PRIMARY),
                _button(f"agree_untrained:{about}", phrases.AGREE_UNTRAINED),
            ),
        ]
    )


def read_wanted(message: Mapping[str, Any]) -> str:
    """The text to rewrite in a message that asked for consent."""
    carried = (part["content"] for part in message["components"] if part.get("id") == _WANTED)
    return texts.unescape(next(carried, ""))


def explain_use(words: Words) -> Drawn:
    """How the commands are used."""
    return say(
        words.say("Send /tonebridge rewrite with your message. Only you see the rewrite."),
        words.say("Without a text, a form opens, for messages of several lines."),
        words.say("On any message, choose Apps, then Rewrite with ToneBridge."),
        words.say(
            "/tonebridge terms lists your own terms: words that your rewrites never change, explain, or"
            " replace. With what, term and wording it changes them."
        ),
        words.say("/tonebridge stop ends it."),
    )


def ask_how_to_leave(words: Words) -> Drawn:
    """The two ways to stop."""
    return Drawn(
        [
            _text(texts.escape(words.say("ToneBridge will no longer know who you are here."))),
            _row(
                _button("leave", words.say("Stop")),
                _button("ask_erase", words.say("Stop, and delete what I wrote and voted"), _DANGER),
            ),
        ]
    )


def ask_whether_to_erase(words: Words) -> Drawn:
    """Whether a person is sure."""
    sentence = f"{words.say('Delete everything?')} {words.say('This cannot be undone.')}"
    return Drawn(
        [
            _text(texts.escape(sentence)),
            _row(_button("erase", words.say("Delete"), _DANGER), _button("ask_leave", words.say("Cancel"))),
        ]
    )


def ask_for_message(text: str, wanted: choices.Wanted, words: Words) -> dict[str, Any]:
    """The form for a message, its kind of rewrite and its intensity, which are as `wanted` at first."""
    return _form(
        "rewrite",
        words.say("Rewrite a message"),
        _field(words.say("Your message"), text),
        _choice(words.say("What should change?"), KIND, choices.TYPES, wanted.transform_type, words),
        _choice(words.say("How much?"), INTENSITY, choices.LEVELS, wanted.intensity, words),
    )


def ask_for_edit(about: uuid.UUID, text: str, words: Words) -> dict[str, Any]:
    """The form in which a person corrects a rewrite."""
    return _form(f"edit:{about}", words.say("Edit"), _field(words.say("Your version"), text))


def read_form(data: Mapping[str, Any]) -> dict[str, str]:
    """The values of a form, by field."""
    fields = (part["component"] for part in data["components"] if "component" in part)
    return {
        field["custom_id"]: field["values"][0] if "values" in field else field.get("value") or ""
        for field in fields
    }


def draw(shown: Shown, words: Words) -> Drawn:
    """What a person gets to see."""
    match shown:
        case Said(sentence):
            return say(sentence)
        case Copied(text):
            # A bot cannot change what a person has written, so the person copies the text.
            hint = _note(words.say("Copy this text, and send it as your own message."))
            return _with_files([_block(text), hint], {"text": text}, words)
        case Listed(lines, note):
            listed = "\n".join(lines)
            return _with_files([_text(texts.escape(listed)), _note(note)], {"terms": listed}, words)
        case Rewritten():
            return _draw_rewrite(shown, words)
        case TwoRewrites():
            return _draw_two(shown, words)
        case Explained():
            return _draw_why(shown, words)


def _draw_rewrite(shown: Rewritten, words: Words) -> Drawn:
    say, job = words.say, shown.job
    can_edit = 0 < len(shown.text) <= LONGEST_FIELD
    buttons = [
        _button(f"use:{job}", say("Use it"), _PRIMARY),
        *([_button(f"edit:{job}", say("Edit"))] if can_edit else []),
        _button(f"better:{job}", say("Better than mine")),
        _button(f"worse:{job}", say("Worse than mine")),
        _button(f"compare:{job}", say("Two to choose from")),
        _button(f"why:{job}", say("Why?")),
    ]
    rest = [*map(_note, list_notes(shown, words)), *_rows(buttons)]
    return _with_files([_text(texts.escape(shown.text)), *rest], {"rewrite": shown.text}, words)


def _draw_two(shown: TwoRewrites, words: Words) -> Drawn:
    better = words.say("This one is better")
    components = [
        _text(texts.escape(shown.first)),
        _row(_button(f"first:{shown.job}", better)),
        {"type": _SEPARATOR},
        _text(texts.escape(shown.second)),
        _row(
            _button(f"second:{shown.job}", better),
            _button(f"neither:{shown.job}", words.say("Neither")),
        ),
    ]
    return _with_files(components, {"first": shown.first, "second": shown.second}, words)


def _draw_why(shown: Explained, words: Words) -> Drawn:
    notes = list_notes(shown, words)
    button = _row(_button(f"use:{shown.job}", words.say("Use it"), _PRIMARY))
    return Drawn([_text(_mark(shown.parts[:_MOST_PARTS])), *map(_note, notes), button])


def _mark(parts: Sequence[Part]) -> str:
    """What was removed and added, up to the length that fits."""
    marked = ""
    for part in parts:
        around = _MARKS.get(part.kind)
        more = texts.escape(part.text) if around is None else texts.mark(part.text, around)
        if not _fits(marked + more):
            return f"{marked} …"
        marked += more
    return marked


def _with_files(components: list[Component], named: Mapping[str, str], words: Words) -> Drawn:
    """The components, if their texts fit into a message. If not, the `named` texts, which are the texts that
    stand in it in that order, are files in their places.
    """
    contents = [part["content"] for part in components if part["type"] == _TEXT]
    if _fits("".join(contents[: len(named)])):
        return Drawn(components)
    files = {f"{name}.txt": text for name, text in named.items()}
    left = iter(files)
    drawn = []
    for part in components:
        name = next(left, None) if part["type"] == _TEXT else None
        drawn.append(part if name is None else {"type": _FILE, "file": {"url": f"attachment://{name}"}})
    return Drawn([*drawn, _note(words.say("A text that is too long for a message is a file."))], files)


def _fits(text: str) -> bool:
    return len(text) <= _MOST and len(text.encode("utf-8", "replace")) <= _MOST_BYTES


def _text(content: str) -> Component:
    return {"type": _TEXT, "content": content if content.strip() else "–"}


def _block(text: str) -> Component:
    return _text(texts.write_block(text))


def _note(text: str) -> Component:
    return _text(f"-# {' '.join(texts.escape(text[:_LONGEST_NOTE]).split())}")


def _button(custom_id: str, label: str, style: int = _SECONDARY) -> Component:
    return {"type": _BUTTON, "custom_id": custom_id, "label": label, "style": style}


def _row(*buttons: Component) -> Component:
    return {"type": _ROW, "components": list(buttons)}


def _rows(buttons: Sequence[Component]) -> list[Component]:
    starts = range(0, len(buttons), _BUTTONS_A_ROW)
    return [_row(*buttons[start : start + _BUTTONS_A_ROW]) for start in starts]


def _form(custom_id: str, title: str, *fields: Component) -> dict[str, Any]:
    return {"type": _ASK, "data": {"custom_id": custom_id, "title": title, "components": list(fields)}}


def _field(label: str, text: str) -> Component:
    field = {"type": _INPUT, "custom_id": TEXT, "style": 2, "max_length": LONGEST_FIELD, "required": True}
    if text:
        field["value"] = text
    return {"type": _LABEL, "label": label, "component": field}


def _choice(
    label: str, custom_id: str, offered: Sequence[choices.Choice], chosen: str, words: Words
) -> Component:
    options = [
        {"label": words.say(choice.name), "value": choice.value, "default": choice.value == chosen}
        for choice in offered
    ]
    select = {"type": _SELECT, "custom_id": custom_id, "options": options}
    return {"type": _LABEL, "label": label, "component": select}
