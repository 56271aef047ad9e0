"""Microsoft's servers, in the place of the real ones: the keys that sign requests, the tokens of apps, and
the API of Teams, which records its calls and answers by script. And what Teams sends, with a signed token.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, NamedTuple

import httpx
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

from data.channels.installations import Installation
from serving.channels.connecting import Granted
from serving.channels.teams.connector import Addresses
from tests import gateways
from tests.chats import Chat

APP, SECRET = "0aa00000-0000-4000-8000-00000000000a", "the client secret of an app of these tests"
ISSUER, KEY_ID = "https://api.botframework.com", "the key of these tests"


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """Microsoft's key."""
    return rsa.generate_private_key(65537, 2048)


class Call(NamedTuple):
    """A call of the API: a chat opened (`open`), a card sent (`send`) or replaced (`update`)."""

    method: str
    tenant: str
    conversation: str
    body: dict[str, Any]
    token: str
    activity: str = ""

    @property
    def card(self) -> dict[str, Any]:
        """The card that was sent."""
        (attachment,) = self.body["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        content: dict[str, Any] = attachment["content"]
        return content


class Scripted(NamedTuple):
    """An answer in place of the usual one."""

    status: int
    headers: Mapping[str, str]


class FakeMicrosoft:
    """Records all calls. The next answers of a method are those in `script`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: dict[str, list[Scripted]] = {"open": [], "send": [], "update": [], "token": []}
        self.url = ""
        self.tokens_given = self.keys_read = 0
        self.keys = {KEY_ID: signing_key()}  # those that sign requests now, by their ids
        self.lifetime_s = 3600  # of tokens
        self.keys_wanted, self.may_give_keys = asyncio.Event(), asyncio.Event()
        self.may_give_keys.set()
        self._arrived = asyncio.Condition()

    @property
    def addresses(self) -> Addresses:
        """Those of this server."""
        return Addresses(f"{self.url}login", f"{self.url}v1/.well-known/openidconfiguration")

    def answer_next(self, method: str, status: int, **headers: str) -> None:
        """Answer the next call of a method so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script[method].append(Scripted(status, named))

    async def give_keys(self, _: web.Request) -> web.Response:
        """The public halves of the keys that sign requests."""
        self.keys_read += 1
        self.keys_wanted.set()
        await self.may_give_keys.wait()
        published = [
            {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": id, "use": "sig"}
            for id, key in self.keys.items()
        ]
        return web.json_response({"keys": published})

    async def give_token(self, request: web.Request) -> web.Response:
        """A token for an app that knows its secret."""
        form = await request.post()
        if self.script["token"]:
            return web.Response(status=self.script["token"].pop(0).status)
        if (form["client_id"], form["client_secret"]) != (APP, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens_given += 1
        token = f"token {self.tokens_given} for {request.match_info['tenant']}"
        return web.json_response({"access_token": token, "expires_in": self.lifetime_s})

    async def take_call(self, request: web.Request) -> web.Response:
        """A call of the API."""
        named = request.match_info
        method = "open" if "conversation" not in named else "send" if "activity" not in named else "update"
        body = await request.json()
        conversation = named.get("conversation") or f"a:{body['members'][0]['id']}"
        token = request.headers["Authorization"].removeprefix("Bearer ")
        call = Call(method, named["tenant"], conversation, body, token, named.get("activity", ""))
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        if self.script[method]:
            status, headers = self.script[method].pop(0)
            return web.json_response({"error": {"code": "Scripted"}}, status=status, headers=headers)
        return web.json_response({"id": conversation if method == "open" else str(len(self.calls))})

    def count(self, method: str) -> int:
        """The calls of a method so far."""
        return sum(call.method == method for call in self.calls)

    async def wait_for(self, method: str, calls: int = 1) -> Call:
        """A method's call of that number, from 1, as soon as it has come."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: self.count(method) >= calls)
        return [call for call in self.calls if call.method == method][calls - 1]


@asynccontextmanager
async def serving() -> AsyncIterator[FakeMicrosoft]:
    """Fake servers on a port."""
    microsoft, app = FakeMicrosoft(), web.Application()
    app.router.add_get("/v1/.well-known/keys", microsoft.give_keys)
    app.router.add_post("/login/{tenant}/oauth2/v2.0/token", microsoft.give_token)
    chats = "/emea/{tenant}/v3/conversations"
    app.router.add_post(chats, microsoft.take_call)
    app.router.add_post(f"{chats}/{{conversation}}/activities", microsoft.take_call)
    app.router.add_put(f"{chats}/{{conversation}}/activities/{{activity}}", microsoft.take_call)
    server = TestServer(app)
    await server.start_server()
    microsoft.url = str(server.make_url("/"))
    try:
        yield microsoft
    finally:
        await server.close()


def sign(
    service_url: str, key: rsa.RSAPrivateKey | None = None, key_id: str = KEY_ID, **claims: Any
) -> dict[str, str]:
    """The header with which Microsoft proves who sends; None takes a claim away."""
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": APP, "serviceurl": service_url, "nbf": now - 5, "exp": now + 3600}
    kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    token = jwt.encode(kept, key or signing_key(), algorithm="RS256", headers={"kid": key_id})
    return {"Authorization": f"Bearer {token}"}


class Person(NamedTuple):
    """A person of a tenant, who uses the app; `url` is that of the fake."""

    tenant: str
    id: str
    url: str
    locale: str = "en-US"

    @property
    def service_url(self) -> str:
        """Where answers are sent, as Teams names it."""
        return f"{self.url}emea/{self.tenant}/"

    @property
    def chat(self) -> str:
        """The id of their chat with the bot."""
        return f"a:29:{self.id}"

    def message(self, text: str, **fields: Any) -> dict[str, Any]:
        """A message to the bot."""
        return self._act("message", text=text, textFormat="plain", **fields)

    def open(self, html: str, **fields: Any) -> dict[str, Any]:
        """The action on a message of somebody, in a chat of people."""
        payload = {
            "id": "1",
            "body": {"contentType": "html", "content": html},
            "reactions": [{"reactionType": "🎉", "user": {}}],
        }
        value = {"commandId": "rewrite", "commandContext": "message", "messagePayload": payload}
        return self._invoke("composeExtension/fetchTask", value, among="groupChat", **fields)

    def submit(self, data: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """A button of a dialog, with its fields."""
        value = {"commandId": "rewrite", "commandContext": "message", "data": dict(data)}
        return self._invoke("composeExtension/submitAction", value, among="groupChat", **fields)

    def click(self, button: Mapping[str, Any], on: str = "1", **values: Any) -> dict[str, Any]:
        """A button on a card, with the values of the card's fields."""
        action = {
            "type": "Action.Execute",
            "verb": button["verb"],
            "data": {**button["data"], **values},
        }
        return self._invoke("adaptiveCard/action", {"action": action, "trigger": "manual"}, replyToId=on)

    def install(self, action: str, among: str = "personal") -> dict[str, Any]:
        """The app is added or removed."""
        return self._act("installationUpdate", among=among, action=action)

    def _invoke(self, name: str, value: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return self._act("invoke", name=name, value=value, **fields)

    def _act(self, kind: str, among: str = "personal", **fields: Any) -> dict[str, Any]:
        return {
            "type": kind,
            "id": str(uuid.uuid4()),
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": f"29:{self.id}", "name": "Ann", "aadObjectId": self.id},
            "recipient": {"id": f"28:{APP}", "name": "ToneBridge"},
            "conversation": {
                "id": self.chat if among == "personal" else f"19:{uuid.uuid4()}@thread.v2",
                "conversationType": among,
                "tenantId": self.tenant,
            },
            "channelData": {"tenant": {"id": self.tenant}},
            "locale": self.locale,
            **fields,
        }


class TeamsChat:
    """The process, the fake servers, and how requests of Teams reach the process."""

    def __init__(self, chat: Chat, microsoft: FakeMicrosoft) -> None:
        self.chat, self.microsoft = chat, microsoft

    async def connect(self, organisation_id: uuid.UUID | None = None) -> Installation:
        """A connected tenant of an organisation, or of a new one."""
        organisation = organisation_id or gateways.an_organisation(self.chat.engine)
        granted = Granted(str(uuid.uuid4()), "Acme", "", [])
        return await self.chat.workspaces.connect(organisation, "teams", granted, "a test")

    def person(self, installation: Installation, locale: str = "en-US") -> Person:
        """A new person of a tenant."""
        return Person(installation.workspace, str(uuid.uuid4()), self.microsoft.url, locale)

    async def send(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A request of Teams."""
        signed = sign(body["serviceUrl"]) if headers is None else headers
        json_type = {"Content-Type": "application/json"}
        return await self.chat.client.post(
            "/teams", content=json.dumps(dict(body)), headers={**json_type, **signed}
        )

    async def open(self, person: Person, html: str) -> dict[str, Any]:
        """The card of the dialog that the action on a message opens."""
        return dialog(await self.send(person.open(html)))

    async def agree(self, person: Person) -> None:
        """Have a person agree; their next answer comes after it."""
        before = self.microsoft.count("update")
        assert (await self.send(person.click({"verb": "agree", "data": {}}))).status_code == 200
        await self.microsoft.wait_for("update", before + 1)

    async def rewrite(self, person: Person, message: str = "Fix it.") -> dict[str, Any]:
        """The card that answers a message in the chat."""
        before = self.microsoft.count("send")
        assert (await self.send(person.message(message))).status_code == 200
        return (await self.microsoft.wait_for("send", before + 1)).card


def dialog(response: httpx.Response) -> dict[str, Any]:
    """The card of a dialog."""
    assert response.status_code == 200, response.text
    card: dict[str, Any] = response.json()["task"]["value"]["card"]["content"]
    return card


def buttons(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The buttons of a card by verb, those in folded parts, too; a dialog's are named in their data."""
    found: dict[str, dict[str, Any]] = {}
    actions = [*card.get("actions", ())]
    for element in card["body"]:
        actions += element.get("actions", ())
    for action in actions:
        if action["type"] == "Action.ShowCard":
            found |= buttons(action["card"])
        else:
            found[action.get("verb") or action["data"]["verb"]] = action
    return found


def texts(card: Mapping[str, Any]) -> list[str]:
    """The lines of a card."""
    return [
        "".join(run["text"] for run in element["inlines"])
        for element in card["body"]
        if element["type"] == "RichTextBlock"
    ]


def fields(card: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a card's fields, those in folded parts, too."""
    found = {element["id"]: element["value"] for element in card["body"] if "id" in element}
    for element in card["body"]:
        for action in element.get("actions", ()):
            if action["type"] == "Action.ShowCard":
                found |= fields(action["card"])
    return found
