"""What people do in Slack, as orders: Bolt calls a listener for each kind of request.

A listener stores the order, and then acknowledges: Slack waits for three seconds, and the work takes longer.
If the order cannot be stored, the person or Slack hears that, and nothing is lost unnoticed. Only the window
of the shortcut is opened at once, since its `trigger_id` lives for three seconds.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult

from data.channels.links import Link
from data.reasons import Language
from serving.channels import commands
from serving.channels.commands import Command, Message
from serving.channels.gateway import Gateway
from serving.channels.intake import POSTGRES_ERRORS, VOTES, Agreed, Intake
from serving.channels.orders import Verb
from serving.channels.phrases import EMPTY, LATER, NO_TEXT, NOT_CONNECTED, REWRITING
from serving.channels.proposals import find_proposal
from serving.channels.replies import GoneError, PlatformError, too_old
from serving.channels.slack import blocks, texts
from serving.channels.slack.calls import Slack
from serving.channels.workspaces import Workspace
from serving.sites.words import Words
from serving.web.choices import Wanted

log = logging.getLogger(__name__)

COMMAND, SHORTCUT = "/tonebridge", "rewrite"  # as in the manifest
# What switches proposals by rules on and off; None: only says whether they are on.
_SWITCHES: Mapping[Command, bool | None] = {
    Command.RULES: None,
    Command.RULES_ON: True,
    Command.RULES_OFF: False,
}
_UNKNOWN: Language = "en"  # until the job of the agreement asks Slack


class Listeners:
    """The listeners of one application."""

    def __init__(self, intake: Intake, slack: Slack, gateway: Gateway) -> None:
        self._intake, self._slack, self._gateway = intake, slack, gateway

    def make_app(self) -> AsyncApp:
        """Bolt's application. `door` has checked the signatures."""

        async def authorize(  # no method: Bolt would take `self` for an argument that it has to find
            enterprise_id: str | None, team_id: str | None, user_id: str | None
        ) -> AuthorizeResult | None:
            """Whether the workspace is connected. Bolt needs no token: `Slack` calls with the stored one."""
            if team_id is None or await self._intake.find_workspace(team_id) is None:
                return None
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, user_id=user_id)

        app = AsyncApp(
            client=self._slack.client(),
            authorize=authorize,  # type: ignore[arg-type]  # Bolt takes None as "not installed"
            request_verification_enabled=False,
            process_before_response=True,
            user_facing_authorize_error_message="\n".join(NOT_CONNECTED),
        )
        app.command(COMMAND)(self._command)
        app.shortcut(SHORTCUT)(self._shortcut)
        for action in ("agree", "agree_untrained"):
            app.action(action)(self._agree)
        for action in VOTES:
            app.action(action)(self._click)
        app.action("rewrite")(self._rewrite)
        for choice in (blocks.KIND, blocks.INTENSITY):
            app.action(choice)(_wait_for_the_button)
        app.action("edit")(self._open_edit)
        app.view("edit")(self._edit)
        for verb in ("leave", "erase"):
            app.action(verb)(self._leave)
        app.error(_answer_failure)
        app.event("message")(self._message)
        app.event("app_uninstalled")(self._uninstalled)
        app.event("tokens_revoked")(self._revoked)
        return app

    async def _command(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """`/tonebridge text`: the rewrite comes as a message that only the person sees."""
        workspace, command = await self._workspace(context), commands.read(str(body.get("text", "")))
        link = await self._intake.find_link(workspace, body["user_id"])
        if command is Command.HELP or (command is Command.STOP and link is None):
            words = Words("en" if link is None else link.language)
            await _show(ack, blocks.explain_use(words))
        elif link is None:  # they agree first, and send a command again
            wanted = command.wanted if isinstance(command, Message) else {}
            await _show(ack, blocks.ask_for_consent(wanted))
        elif command is Command.STOP:
            await _show(ack, blocks.ask_how_to_leave(Words(link.language)))
        elif isinstance(command, Command) and command in _SWITCHES:
            wants = _SWITCHES[command]
            if wants is not None:
                await self._intake.switch_proposals(workspace, link.person, wants)
            is_on = link.wants_proposals if wants is None else wants
            await _show(ack, blocks.explain_proposals(is_on, Words(link.language)))
        else:
            place = self._intake.seal(workspace, {"response_url": body["response_url"]})
            await self._intake.store_command(workspace, link, command, place, body["trigger_id"])
            await ack()

    async def _shortcut(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The shortcut in a message's menu: a window asks how to rewrite the message. The text is that in the
        request, since an app may hardly read the history of channels. What is too long for the window to
        carry is rewritten at once.
        """
        workspace = await self._workspace(context)
        text = texts.read(str(body["message"].get("text", ""))).strip()
        link = await self._intake.find_link(workspace, body["user"]["id"])
        if link is None:
            await self._open(workspace, body, blocks.modal(blocks.ask_for_consent({"text": text})))
        elif not text:
            await self._open(workspace, body, blocks.modal(blocks.say_in_both(*NO_TEXT), link.language))
        else:
            wanted = await self._intake.find_defaults(workspace, link)
            form = blocks.ask_for_message(text, wanted, Words(link.language))
            rewriting = blocks.modal(blocks.say_in_both(*REWRITING), link.language)
            view_id = await self._open(workspace, body, form or rewriting)
            if form is None and view_id is not None:
                await self._order(workspace, link, body, view_id, text, wanted)
        await ack()

    async def _rewrite(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """The button of the window that asks how to rewrite a message: the rewrite comes into the window."""
        workspace, view = await self._workspace(context), body["view"]
        link = await self._intake.find_link(workspace, body["user"]["id"])
        if link is not None:
            # Before the order, whose outcome may be there at once.
            await self._update(workspace, view["id"], REWRITING, link.language)
            await self._order(workspace, link, body, view["id"], *blocks.read_message(view))
        await ack()

    async def _order(
        self, workspace: Workspace, link: Link, body: dict[str, Any], view_id: str, text: str, wanted: Wanted
    ) -> None:
        """Order a rewrite that comes into a window, which says so if the order cannot be stored."""
        place, event = self._intake.seal(workspace, {"view_id": view_id}), body["trigger_id"]
        try:
            await self._intake.store_choice(workspace, link, text, wanted, place, event)
        except POSTGRES_ERRORS as error:
            log.warning("an order cannot be stored: %s", error)
            await self._update(workspace, view_id, LATER, link.language)

    async def _open(self, workspace: Workspace, body: dict[str, Any], view: dict[str, Any]) -> str | None:
        """The id of a new window; None when Slack opens none: the person sees that, and clicks again."""
        try:
            opened = await self._slack.open(workspace, body["trigger_id"], view)
        except (PlatformError, GoneError) as error:
            log.warning("no window for a shortcut: %s", error)
            return None
        return str(opened["view"]["id"])

    async def _update(
        self, workspace: Workspace, view_id: str, both: tuple[str, str], language: Language
    ) -> None:
        """Show a sentence in a window, in place of what is there."""
        view = blocks.modal(blocks.say_in_both(*both), language)
        try:
            await self._slack.call(workspace, "views.update", view_id=view_id, view=view)
        except (PlatformError, GoneError) as error:
            log.warning("a window stays as it is: %s", error)

    async def _agree(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """A person agrees to what is stored."""
        workspace = await self._workspace(context)
        agreed = Agreed.model_validate_json(body["actions"][0]["value"])
        place = self._intake.seal(workspace, _place(body))
        await self._intake.agree(workspace, body["user"]["id"], _UNKNOWN, agreed, place, body["trigger_id"])
        await ack()

    async def _click(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """A button under a rewrite."""
        action = body["actions"][0]
        verb, more = VOTES[action["action_id"]]
        await self._store_click(body, context, verb, about=uuid.UUID(action["value"]), **more)
        await ack()

    async def _leave(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """A person no longer wants to be known."""
        verb: Literal["leave", "erase"] = "erase" if body["actions"][0]["value"] == "erase" else "leave"
        await self._store_click(body, context, verb)
        await ack()

    async def _open_edit(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """Open the window for a correction: over the window of the rewrite, if it is in one."""
        workspace, about = await self._workspace(context), body["actions"][0]["value"]
        link = await self._intake.find_link(workspace, body["user"]["id"])
        if link is not None:
            words, text = (
                Words(link.language),
                await self._intake.read_text(workspace, link, uuid.UUID(about)),
            )
            where = self._intake.seal(workspace, _place(body))
            view = blocks.modal(blocks.draw(too_old(words), words), link.language)
            if text:
                view = blocks.ask_for_edit(about, where, text, words)
            try:
                await self._slack.open(workspace, body["trigger_id"], view, pushes="view" in body)
            except (PlatformError, GoneError) as error:
                log.warning("no window for an edit: %s", error)
        await ack()

    async def _edit(self, ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """A person has corrected a rewrite."""
        workspace, view = await self._workspace(context), body["view"]
        link = await self._intake.find_link(workspace, body["user"]["id"])
        text = view["state"]["values"][blocks.EDITED][blocks.EDITED].get("value") or ""
        if not text.strip():
            await ack(response_action="errors", errors={blocks.EDITED: " ".join(EMPTY)})
            return
        if link is not None:
            kept = json.loads(view["private_metadata"])
            about, event = uuid.UUID(kept["about"]), body["trigger_id"]
            try:
                await self._intake.store(
                    workspace, link, "edit", kept["where"], event, text=text, about=about
                )
            except POSTGRES_ERRORS as error:  # the window stays, with what the person has written
                log.warning("a correction cannot be stored: %s", error)
                await ack(response_action="errors", errors={blocks.EDITED: " ".join(LATER)})
                return
        await ack()

    async def _message(self, event: dict[str, Any], body: dict[str, Any], context: AsyncBoltContext) -> None:
        """Somebody has written in a public channel. Of who has not agreed, or has not switched proposals on,
        nothing is looked at but who they are. For others, rules are tried; if one fires, its rewrite is
        proposed to them alone. Slack sends an event again, which is then stored once.
        """
        if "subtype" in event or "bot_id" in event or event.get("channel_type") != "channel":
            return  # what bots write, what is edited, joined, deleted; direct messages
        workspace = await self._workspace(context)
        link = await self._intake.find_link(workspace, str(event.get("user", "")))
        if link is None or not link.wants_proposals:
            return
        text = texts.read(str(event.get("text", ""))).strip()
        proposal = text and await find_proposal(self._gateway, workspace, link, text, event["channel"])
        if not proposal:
            return
        where = {"channel": event["channel"], "user": link.person}
        if "thread_ts" in event:
            where["thread_ts"] = event["thread_ts"]
        place = self._intake.seal(workspace, where)
        proposed = {"text": text, **proposal._asdict()}
        await self._intake.store(workspace, link, "rewrite", place, body["event_id"], **proposed)

    async def _uninstalled(self, context: AsyncBoltContext) -> None:
        """The app was removed from a workspace. Slack sends this again if it fails."""
        await self._intake.disconnect(str(context.team_id))

    async def _revoked(self, event: dict[str, Any], context: AsyncBoltContext) -> None:
        """Tokens were revoked; ours is the bot's."""
        if event.get("tokens", {}).get("bot"):
            await self._intake.disconnect(str(context.team_id))

    async def _workspace(self, context: AsyncBoltContext) -> Workspace:
        workspace = await self._intake.find_workspace(str(context.team_id))
        assert workspace is not None, "checked by `authorize`"
        return workspace

    async def _store_click(
        self, body: dict[str, Any], context: AsyncBoltContext, verb: Verb, **more: Any
    ) -> None:
        """Store the order of a button. A person who has left sees nothing happen."""
        workspace = await self._workspace(context)
        link = await self._intake.find_link(workspace, body["user"]["id"])
        if link is not None:
            place = self._intake.seal(workspace, _place(body))
            await self._intake.store(workspace, link, verb, place, body["trigger_id"], **more)


async def _wait_for_the_button(ack: AsyncAck) -> None:
    """A choice in a window, which the button brings with it."""
    await ack()


async def _show(ack: AsyncAck, drawn: list[blocks.Block]) -> None:
    """Answer a command at once, to its person alone."""
    await ack(response_type="ephemeral", text="ToneBridge", blocks=drawn)


async def _answer_failure(error: Exception, body: dict[str, Any]) -> BoltResponse:
    """What Slack gets if a request cannot be taken: for a command, a sentence for its person; else a failure,
    which Slack shows as one, or after which it sends an event again.
    """
    if isinstance(error, POSTGRES_ERRORS):
        log.warning("a request cannot be taken: %s", error)
    else:
        log.error("a request fails", exc_info=error)
    if "command" not in body:
        return BoltResponse(status=500)
    sorry = {"response_type": "ephemeral", "text": "ToneBridge", "blocks": blocks.say_in_both(*LATER)}
    return BoltResponse(status=200, body=sorry)


def _place(body: Mapping[str, Any]) -> dict[str, Any]:
    """Where the outcome of a button is shown: in its window, or in place of its message."""
    if view := body.get("view"):
        return {"view_id": view["id"]}
    return {"response_url": body["response_url"], "replaces": True}
