"""What people do in Teams, as orders.

A listener stores the order, and then answers. What the work brings comes into the person's chat with the
bot, where nobody else reads it: a bot can change its own cards there, but no dialog that is open. If the
order cannot be stored, the person reads that.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ValidationError

from data.channels.links import Link
from serving.channels import commands
from serving.channels.commands import Command, Message
from serving.channels.intake import POSTGRES_ERRORS, VOTES, Agreed, Intake
from serving.channels.orders import TermChange
from serving.channels.phrases import EMPTY, LATER, NOT_CONNECTED
from serving.channels.replies import GoneError, PlatformError
from serving.channels.teams import cards, texts
from serving.channels.teams.activities import Activity, Clicked, Filled, Opened, Submitted, Wanted
from serving.channels.teams.calls import Teams
from serving.channels.teams.cards import Card
from serving.channels.workspaces import Workspace
from serving.sites.words import Words
from serving.web.choices import DEFAULT

log = logging.getLogger(__name__)

ADD_APP = (
    "Add the app ToneBridge in Teams first: the rewrite comes into your chat with it.",
    "先にTeamsでアプリToneBridgeを追加してください。書き換えはToneBridgeとのチャットに届きます。",
)


class Answer(NamedTuple):
    """The answer to a request: a status, and a document if the request waits for one."""

    status: int = 200
    body: Mapping[str, Any] | None = None


MakeCard = Callable[[Activity, Workspace, Link | None], Awaitable[Card]]


class _About(BaseModel):
    """What a button under a rewrite carries: the rewrite's job, and the correction."""

    about: UUID
    text: str = ""


class Listeners:
    """The listeners of one app."""

    def __init__(self, intake: Intake, teams: Teams) -> None:
        self._intake, self._teams = intake, teams

    async def take(self, activity: Activity) -> Answer:
        """Answer a request. Its sender is verified."""
        if not activity.person:
            return Answer()  # of no person: the news of a team or a bot
        try:
            return await self._listen(activity)
        except ValidationError as error:
            log.warning("a request is of another form: %s", error.errors(include_input=False))
            return Answer(400)

    async def _listen(self, activity: Activity) -> Answer:
        match activity.type, activity.name:
            case "message", _:
                return await self._message(activity)
            case "invoke", "composeExtension/fetchTask":
                sorry = cards.say_in_both(*LATER)
                return _dialog(await self._make_card(self._open, activity, sorry))
            case "invoke", "composeExtension/submitAction":
                wanted = Submitted.model_validate(activity.value).data
                later, words = " ".join(LATER), Words(activity.language)
                kept = cards.ask_for_message(wanted.text, wanted.choices, words, later)
                submit = partial(self._submit, wanted, kept)
                return _dialog(await self._make_card(submit, activity, kept))
            case "invoke", "adaptiveCard/action":
                return await self._click(activity)
            case "invoke", _:
                return Answer(501)
            case "installationUpdate", _:
                try:
                    return await self._installed(activity)
                except POSTGRES_ERRORS as error:
                    log.warning("the news of an installation cannot be taken: %s", error)
                    return Answer(503)
        return Answer()

    async def _make_card(self, make: MakeCard, activity: Activity, sorry: Card) -> Card:
        """The card of a dialog: of a person whose tenant is connected, what `make` makes; `sorry` when
        nothing can be stored.
        """
        try:
            workspace = await self._intake.find_workspace(activity.tenant)
            if workspace is None:
                return cards.say_in_both(*NOT_CONNECTED)
            link = await self._intake.find_link(workspace, activity.person)
            return await make(activity, workspace, link)
        except POSTGRES_ERRORS as error:
            log.warning("a dialog cannot be answered: %s", error)
            return sorry

    async def _open(self, activity: Activity, workspace: Workspace, link: Link | None) -> Card:
        """The action on a message: a dialog asks how to rewrite it, and first for consent."""
        opened = Opened.model_validate(activity.value)
        text = texts.read(opened.body)
        if link is None:
            return await self._ask_for_consent(workspace, {"text": text}, is_dialog=True)
        defaults = await self._intake.find_defaults(workspace, link)
        return cards.ask_for_message(text, defaults, Words(link.language))

    async def _submit(
        self, wanted: Filled, sorry: Card, activity: Activity, workspace: Workspace, link: Link | None
    ) -> Card:
        """A button of a dialog; `sorry` is the dialog again, with what the person has written."""
        if link is None and wanted.verb == "rewrite":  # the person has left meanwhile
            return await self._ask_for_consent(workspace, {"text": wanted.text}, is_dialog=True)
        words = Words(activity.language if link is None else link.language)
        if wanted.verb == "rewrite" and not wanted.text.strip():
            return cards.ask_for_message("", wanted.choices, words, " ".join(EMPTY))
        try:
            where = await self._teams.open_chat(activity)
        except GoneError:
            return cards.say_in_both(*ADD_APP)
        except PlatformError as error:
            log.warning("no chat for what a dialog orders: %s", error)
            return sorry
        place = self._intake.seal(workspace, where)
        if wanted.verb != "rewrite" or link is None:
            agreed = Agreed(training=wanted.verb == "agree")  # the form comes next, so without the message
            await self._intake.agree(
                workspace, activity.person, activity.language, agreed, place, activity.event
            )
            return cards.ask_for_message(wanted.text, wanted.choices, words)
        await self._intake.store_choice(workspace, link, wanted.text, wanted.choices, place, activity.event)
        return cards.say(words.say("The rewrite comes into your chat with ToneBridge."))

    async def _message(self, activity: Activity) -> Answer:
        """A message in the person's chat with the bot. Others are not for it."""
        if not activity.is_personal:
            return Answer()
        try:
            card = await self._reply(activity)
        except POSTGRES_ERRORS as error:
            log.warning("a message cannot be taken: %s", error)
            card = cards.say_in_both(*LATER)
        return Answer() if card is None else await self._send(activity, card)

    async def _reply(self, activity: Activity) -> Card | None:
        """What is answered at once; None when the answer is the outcome of an order."""
        workspace = await self._intake.find_workspace(activity.tenant)
        if workspace is None:
            return cards.say_in_both(*NOT_CONNECTED)
        link, command = await self._intake.find_link(workspace, activity.person), commands.read(activity.text)
        if isinstance(command, Message | TermChange) or command is Command.TERMS:
            if link is None:  # they agree first, and send a command again
                wanted = command.wanted if isinstance(command, Message) else {}
                return await self._ask_for_consent(workspace, wanted)
            place = self._intake.seal(workspace, _chat(activity))
            await self._intake.store_command(workspace, link, command, place, activity.event)
            return None
        if link is not None and command is Command.STOP:
            return cards.ask_how_to_leave(Words(link.language))
        if link is None:
            return cards.explain_use(DEFAULT, Words(activity.language))
        return cards.explain_use(await self._intake.find_defaults(workspace, link), Words(link.language))

    async def _click(self, activity: Activity) -> Answer:
        """A button on a card in the chat."""
        action = Clicked.model_validate(activity.value).action
        try:
            workspace = await self._intake.find_workspace(activity.tenant)
            if workspace is None:
                return _tell(" ".join(NOT_CONNECTED))
            if action.verb in ("agree", "agree_untrained"):
                wanted = Wanted.model_validate(action.data)
                agreed = Agreed(
                    training=action.verb == "agree",
                    text=wanted.text,
                    transform_type=wanted.transform_type,
                    intensity=wanted.intensity,
                )
                place = self._intake.seal(workspace, _card(activity))
                await self._intake.agree(
                    workspace, activity.person, activity.language, agreed, place, activity.event
                )
                return _tell(_wait(Words(activity.language)))
            link = await self._intake.find_link(workspace, activity.person)
            if link is None:  # the person has left
                return _replace(await self._ask_for_consent(workspace, {}))
            return await self._store_click(activity, workspace, link, action.verb, action.data)
        except POSTGRES_ERRORS as error:
            log.warning("a click cannot be taken: %s", error)
            return _tell(" ".join(LATER))

    async def _store_click(
        self, activity: Activity, workspace: Workspace, link: Link, verb: str, data: Mapping[str, Any]
    ) -> Answer:
        more = dict[str, Any]()
        if verb == "rewrite":
            return await self._store_form(activity, workspace, link, Wanted.model_validate(data))
        if verb in VOTES:
            order, fixed = VOTES[verb]
            more = {"about": _About.model_validate(data).about, **fixed}
        elif verb == "edit":
            order, more = "edit", _About.model_validate(data).model_dump()
        elif verb in ("leave", "erase"):
            order = "leave" if verb == "leave" else "erase"
        else:
            return Answer(400)
        if not more.get("text", "-").strip():
            return _tell(" ".join(EMPTY))
        place = self._intake.seal(workspace, _card(activity))
        await self._intake.store(workspace, link, order, place, activity.event, **more)
        return _tell(_wait(Words(link.language)))

    async def _store_form(
        self, activity: Activity, workspace: Workspace, link: Link, wanted: Wanted
    ) -> Answer:
        """The form in the chat: the rewrite is a new card."""
        if not wanted.text.strip():
            return _tell(" ".join(EMPTY))
        place = self._intake.seal(workspace, _chat(activity))
        await self._intake.store_choice(workspace, link, wanted.text, wanted.choices, place, activity.event)
        return _tell(_wait(Words(link.language)))

    async def _installed(self, activity: Activity) -> Answer:
        """A person has added the app, or removed it: then ToneBridge forgets who they are."""
        workspace = await self._intake.find_workspace(activity.tenant)
        if not activity.is_personal or workspace is None:
            return Answer()
        if activity.action == "remove":
            await self._intake.forget(workspace, activity.person)
        elif activity.action == "add" and await self._intake.find_link(workspace, activity.person) is None:
            return await self._send(activity, await self._ask_for_consent(workspace, {}))
        return Answer()

    async def _send(self, activity: Activity, card: Card) -> Answer:
        """Send a card without a job, since it needs nothing of the gateway. Teams hears when it fails."""
        try:
            await self._teams.send(_chat(activity), card)
        except (PlatformError, GoneError) as error:
            log.warning("a card cannot be sent: %s", error)
            return Answer(503)
        return Answer()

    async def _ask_for_consent(
        self, workspace: Workspace, wanted: Mapping[str, Any], is_dialog: bool = False
    ) -> Card:
        organisation = await self._intake.find_organisation(workspace)
        return cards.ask_for_consent(organisation, wanted, is_dialog)


def _chat(activity: Activity) -> dict[str, Any]:
    """The place of what is new in a chat."""
    return {"service_url": activity.service_url, "conversation": activity.conversation.id}


def _card(activity: Activity) -> dict[str, Any]:
    """The place of a card whose button was chosen."""
    return {**_chat(activity), "activity": activity.reply_to_id}


def _attach(card: Card) -> dict[str, Any]:
    return {"contentType": cards.CONTENT_TYPE, "content": card}


def _dialog(card: Card) -> Answer:
    """A dialog with a card, new or in the place of the present one."""
    size = {"height": "medium", "width": "medium"}
    return Answer(
        body={
            "task": {"type": "continue", "value": {"title": "ToneBridge", **size, "card": _attach(card)}},
        }
    )


def _tell(text: str) -> Answer:
    """A sentence that Teams shows at a card for a moment."""
    return Answer(
        body={"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": text}
    )


def _replace(card: Card) -> Answer:
    """Another card in the place of the one that was clicked."""
    return Answer(body={"statusCode": 200, "type": cards.CONTENT_TYPE, "value": card})


def _wait(words: Words) -> str:
    return words.say("One moment …")
