"""What people do in Discord, as orders: a request is a command, a click, or a form that was sent.

An order is stored, and then Discord gets its answer: it waits for three seconds, and the work takes longer.
Discord does not send a request again, so a person reads it if theirs cannot be stored.
"""

import logging
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from data.channels.links import Link
from data.reasons import Language
from data.records import TransformType
from serving.channels.discord import components, texts
from serving.channels.discord.components import (
    INTENSITY,
    KIND,
    LONGEST_FIELD,
    TERM,
    TEXT,
    WHAT,
    WORDING,
    Wanted,
)
from serving.channels.intake import POSTGRES_ERRORS, VOTES, Agreed, Intake
from serving.channels.orders import TermChange, Verb
from serving.channels.phrases import EMPTY, NO_TEXT, NOT_CONNECTED, REWRITING, choose
from serving.channels.replies import too_old
from serving.channels.workspaces import Workspace
from serving.sites.words import Words
from serving.web import choices

log = logging.getLogger(__name__)

COMMAND = "tonebridge"  # this and the two in a message's menu: as in docs/channels/discord.json
REWRITE, REWRITE_WITH_CHOICES = "Rewrite with ToneBridge", "Rewrite with choices"
_COMMAND, _CLICK, _FORM = 2, 3, 5  # types of requests

Answer = dict[str, Any]


class _Request(NamedTuple):
    """A request of a person in a connected server; `words` are in their language."""

    body: Mapping[str, Any]
    workspace: Workspace
    person: str
    link: Link | None
    words: Words

    @property
    def data(self) -> Mapping[str, Any]:
        """What is particular to its type."""
        data: Mapping[str, Any] = self.body["data"]
        return data

    @property
    def event(self) -> str:
        """What names it."""
        return str(self.body["id"])

    @property
    def place(self) -> dict[str, str]:
        """Where its outcome is shown. The token lives for fifteen minutes."""
        return {"application": self.body["application_id"], "token": self.body["token"]}


class Listeners:
    """What Discord's requests are about. `door` has checked the signatures."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def answer(self, body: Mapping[str, Any]) -> Answer:
        """The answer to a request."""
        words = Words(_read_language(body))
        try:
            return await self._answer(body, words)
        except POSTGRES_ERRORS as error:
            log.warning("a request cannot be taken: %s", error)
        except Exception:  # the outermost edge of a request, whose person would read only that it failed
            log.exception("a request fails")
        written = components.read_form(body["data"]).get(TEXT, "") if body["type"] == _FORM else ""
        return components.reply(components.say_later(words, written))

    async def _answer(self, body: Mapping[str, Any], words: Words) -> Answer:
        guild = body.get("guild_id")
        if guild is None:
            return _say(words.say("ToneBridge works in servers that are connected to it. Use it there."))
        workspace = await self._intake.find_workspace(guild)
        if workspace is None:
            return _say(choose(NOT_CONNECTED, words.language))
        person = body["member"]["user"]["id"]
        link = await self._intake.find_link(workspace, person)
        known = words if link is None else Words(link.language)
        request = _Request(body, workspace, person, link, known)
        listeners = {_COMMAND: self._command, _CLICK: self._click, _FORM: self._form}
        return await listeners[body["type"]](request)

    async def _command(self, request: _Request) -> Answer:
        """A command of the menu of a message, or `/tonebridge`."""
        data, link, words = request.data, request.link, request.words
        if data["name"] != COMMAND:
            return await self._message(request)
        (command,) = data["options"]
        values = {option["name"]: option["value"] for option in command.get("options", ())}
        if command["name"] == "rewrite":
            people = data.get("resolved", {}).get("users", {}).values()
            text = texts.read(values.get(TEXT, ""), people).strip()
            if not text:
                return await self._ask_for_message(request, "")
            is_open = KIND not in values and INTENSITY not in values
            return await self._rewrite(request, text, _read_wanted(values), is_open)
        if command["name"] == "terms":
            if link is None:  # they agree first, and send the command again
                return components.reply(components.ask_for_consent(words, "", Wanted()))
            await self._store(request, link, "terms", change=_read_change(values))
            return components.reply_later()
        if command["name"] == "stop" and link is not None:
            return components.reply(components.ask_how_to_leave(words))
        return components.reply(components.explain_use(words))

    async def _message(self, request: _Request) -> Answer:
        """A command in a message's menu: the message comes with the request."""
        data, words = request.data, request.words
        message = data["resolved"]["messages"][data["target_id"]]
        text = texts.read(message["content"], message.get("mentions", ())).strip()
        if not text:
            return _say(choose(NO_TEXT, words.language))
        if data["name"] == REWRITE:
            return await self._rewrite(request, text, Wanted())
        if len(text) > LONGEST_FIELD:
            return _say(words.say("This message is too long for a form. Choose Rewrite with ToneBridge."))
        return await self._ask_for_message(request, text)

    async def _ask_for_message(self, request: _Request, text: str) -> Answer:
        wanted = choices.DEFAULT
        if request.link is not None:
            wanted = await self._intake.find_defaults(request.workspace, request.link)
        return components.ask_for_message(text, wanted, request.words)

    async def _rewrite(
        self, request: _Request, text: str, wanted: Wanted, kind_is_open: bool = False
    ) -> Answer:
        if request.link is None:
            return components.reply(components.ask_for_consent(request.words, text, wanted))
        fields = {"text": text, **wanted._asdict(), "kind_is_open": kind_is_open}
        await self._store(request, request.link, "rewrite", **fields)
        return components.reply_later()

    async def _click(self, request: _Request) -> Answer:
        """A button. Its id names what it does, and what it is about."""
        action, _, about = request.data["custom_id"].partition(":")
        words, link = request.words, request.link
        if action in ("agree", "agree_untrained"):
            return await self._agree(request, action == "agree", about)
        if link is None:  # the person has left
            return components.reply(components.ask_for_consent(words, "", Wanted()))
        if action == "ask_leave":
            return components.change(components.ask_how_to_leave(words))
        if action == "ask_erase":
            return components.change(components.ask_whether_to_erase(words))
        if action == "edit":
            return await self._open_edit(request, link, uuid.UUID(about))
        if action in ("leave", "erase"):
            await self._store(request, link, "erase" if action == "erase" else "leave")
        else:
            verb, more = VOTES[action]
            await self._store(request, link, verb, about=uuid.UUID(about), **more)
        return components.change_later()

    async def _agree(self, request: _Request, training: bool, about: str) -> Answer:
        """A person agrees to what is stored. The button names the kind and the intensity."""
        kind, intensity = about.split(":")
        text = components.read_wanted(request.body["message"])
        agreed = Agreed(
            training=training, text=text, transform_type=TransformType(kind), intensity=int(intensity)
        )
        place = self._intake.seal(request.workspace, request.place)
        language = _read_language(request.body)
        await self._intake.agree(request.workspace, request.person, language, agreed, place, request.event)
        if not text:
            return components.change_later()
        return components.change(components.say(choose(REWRITING, language)))

    async def _open_edit(self, request: _Request, link: Link, about: uuid.UUID) -> Answer:
        text = await self._intake.read_text(request.workspace, link, about)
        if not text:
            return components.reply(components.draw(too_old(request.words), request.words))
        return components.ask_for_edit(about, text, request.words)

    async def _form(self, request: _Request) -> Answer:
        """A form that was filled in: a message to rewrite, or a correction."""
        action, _, about = request.data["custom_id"].partition(":")
        values = components.read_form(request.data)
        text = values[TEXT].strip()
        if not text:
            return _say(choose(EMPTY, request.words.language))
        if action == "rewrite":
            return await self._take_choice(request, text, values)
        if request.link is None:
            return components.reply(components.ask_for_consent(request.words, "", Wanted()))
        await self._store(request, request.link, "edit", text=text, about=uuid.UUID(about))
        return components.change_later()

    async def _take_choice(self, request: _Request, text: str, values: Mapping[str, str]) -> Answer:
        """The form for a rewrite, whose choices are preselected the next time."""
        workspace, link = request.workspace, request.link
        if link is None:
            return components.reply(components.ask_for_consent(request.words, text, _read_wanted(values)))
        place = self._intake.seal(workspace, request.place)
        wanted = choices.Wanted(values[KIND], values[INTENSITY])
        await self._intake.store_choice(workspace, link, text, wanted, place, request.event)
        return components.reply_later()

    async def _store(self, request: _Request, link: Link, verb: Verb, **more: Any) -> None:
        place = self._intake.seal(request.workspace, request.place)
        await self._intake.store(request.workspace, link, verb, place, request.event, **more)


def _say(sentence: str) -> Answer:
    return components.reply(components.say(sentence))


def _read_language(body: Mapping[str, Any]) -> Language:
    """The language of the person's Discord; English if it is another one."""
    return "ja" if body.get("locale") == "ja" else "en"


def _read_change(values: Mapping[str, Any]) -> TermChange | None:
    """What a person wants of one of their terms; None if they only ask for the list."""
    if WHAT not in values or TERM not in values:
        return None
    return TermChange(action=values[WHAT], term=values[TERM], wording=values.get(WORDING, ""))


def _read_wanted(values: Mapping[str, Any]) -> Wanted:
    """What a person has chosen, of a command or in a form."""
    default = Wanted()
    kind, intensity = values.get(KIND, default.transform_type), values.get(INTENSITY, default.intensity)
    return Wanted(TransformType(kind), int(intensity))
