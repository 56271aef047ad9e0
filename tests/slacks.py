"""Slack, in the place of the real one: it records the calls of its Web API and of its response URLs, and
answers by script. And what Slack sends, signed as Slack signs it.
"""

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.signature import SignatureVerifier

SECRET = "the signing secret of an app of these tests"


class Call(NamedTuple):
    """A call of a method, or of a response URL (`response_url`), with the token that it showed."""

    method: str
    arguments: dict[str, Any]
    token: str


class Scripted(NamedTuple):
    """An answer in place of the usual one."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class FakeSlack:
    """Records all calls. The next answers of a method are those in `script`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: dict[str, list[Scripted]] = defaultdict(list)
        self.locale = "en-US"
        self.url = ""
        self._arrived = asyncio.Condition()

    def answer_next(self, method: str, status: int, body: Mapping[str, Any], **headers: str) -> None:
        """Answer the next call of a method so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script[method].append(Scripted(status, body, named))

    async def take_call(self, request: web.Request) -> web.Response:
        """`/api/{method}`."""
        method = request.match_info["method"]
        form = {**request.query, **await request.post()}
        arguments = {name: _read(str(value)) for name, value in form.items()}
        if request.content_type == "application/json":
            arguments = await request.json()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self._answer(Call(method, arguments, token))

    async def take_response(self, request: web.Request) -> web.Response:
        """`/respond/{id}`."""
        return await self._answer(Call("response_url", await request.json(), ""))

    async def _answer(self, call: Call) -> web.Response:
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        if self.script[call.method]:
            status, body, headers = self.script[call.method].pop(0)
            return web.json_response(dict(body), status=status, headers=headers)
        if call.method == "response_url":
            return web.Response(text="ok")
        usual: dict[str, dict[str, Any]] = {
            "views.open": {"view": {"id": "V-opened"}},
            "views.push": {"view": {"id": "V-pushed"}},
            "users.info": {"user": {"locale": self.locale}},
            "auth.test": {"team_id": "T-told", "team": "Told", "bot_id": "B1"},
        }
        return web.json_response({"ok": True, **usual.get(call.method, {})})

    def count(self, method: str) -> int:
        """The calls of a method so far."""
        return sum(call.method == method for call in self.calls)

    async def wait_for(self, method: str, calls: int = 1) -> Call:
        """A method's call of that number, from 1, as soon as it has come."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: self.count(method) >= calls)
        return [call for call in self.calls if call.method == method][calls - 1]


def _read(value: str) -> Any:
    """A value of a form: views are JSON in it."""
    return json.loads(value) if value[:1] in ("{", "[") else value


@asynccontextmanager
async def serving() -> AsyncIterator[FakeSlack]:
    """A fake Slack on a port."""
    slack, app = FakeSlack(), web.Application()
    app.router.add_route("*", "/api/{method}", slack.take_call)
    app.router.add_post("/respond/{id}", slack.take_response)
    server = TestServer(app)
    await server.start_server()
    slack.url = str(server.make_url("/"))
    try:
        yield slack
    finally:
        await server.close()


def sign(body: str, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    """The headers with which Slack signs a body."""
    timestamp = str(int(time.time()) - age_s)
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature is not None
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


class Person(NamedTuple):
    """A person of a workspace, who uses the app; `url` is that of the fake."""

    team: str
    id: str
    url: str

    def command(self, text: str, **fields: str) -> str:
        """The body of a slash command."""
        return urlencode(
            {
                "command": "/tonebridge",
                "text": text,
                "team_id": self.team,
                "user_id": self.id,
                "channel_id": "C1",
                "response_url": self.respond(),
                "trigger_id": str(uuid.uuid4()),
                **fields,
            }
        )

    def shortcut(self, text: str, **fields: Any) -> str:
        """The body of the shortcut on a message."""
        return self._interact(
            type="message_action",
            callback_id="rewrite",
            message={"type": "message", "text": text, "ts": "1.0", "user": "U-other"},
            channel={"id": "C1", "name": "general"},
            response_url=self.respond(),
            **fields,
        )

    def click(self, action: str, value: str, view: str | None = None, **fields: Any) -> str:
        """The body of a click on a button, in a message or in a window."""
        place: dict[str, Any] = {"response_url": self.respond()}
        if view is not None:
            place = {"view": {"id": view, "type": "modal"}}
        button = {"type": "button", "action_id": action, "block_id": "b", "value": value}
        return self._interact(type="block_actions", actions=[button], **place, **fields)

    def choose(self, view: Mapping[str, Any], **chosen: str) -> str:
        """The body of the button of the window that asks how to rewrite, with choices that the person has
        changed.
        """
        values = {}
        for block in view["blocks"]:
            if select := block.get("accessory"):
                name = select["action_id"]
                value = chosen.get(name, select["initial_option"]["value"])
                (option,) = (option for option in select["options"] if option["value"] == value)
                values[block["block_id"]] = {name: {"type": "static_select", "selected_option": option}}
        opened = {**view, "id": "V-opened", "state": {"values": values}}
        button = {"type": "button", "action_id": "rewrite", "block_id": "b", "value": "rewrite"}
        return self._interact(type="block_actions", actions=[button], view=opened)

    def submit(self, view: Mapping[str, Any], text: str, **fields: Any) -> str:
        """The body of the window for a correction, filled in."""
        values = {"edited": {"edited": {"type": "plain_text_input", "value": text}}}
        state = {**view, "id": "V-pushed", "state": {"values": values}}
        return self._interact(type="view_submission", view=state, **fields)

    def respond(self) -> str:
        """A new response URL."""
        return f"{self.url}respond/{uuid.uuid4()}"

    def _interact(self, **fields: Any) -> str:
        payload = {
            "team": {"id": self.team, "domain": "d"},
            "user": {"id": self.id, "team_id": self.team},
            "trigger_id": str(uuid.uuid4()),
            "api_app_id": "A1",
            **fields,
        }
        return urlencode({"payload": json.dumps(payload)})


def event(team: str, kind: str, **fields: Any) -> str:
    """The body of an event of the Events API."""
    return json.dumps(
        {
            "type": "event_callback",
            "team_id": team,
            "api_app_id": "A1",
            "event_id": f"Ev{uuid.uuid4()}",
            "event_time": int(time.time()),
            "event": {"type": kind, **fields},
        }
    )
