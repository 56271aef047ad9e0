"""Discord, in the place of the real one: it records the calls of its API, and answers by script. And what
Discord sends, signed as Discord signs it.
"""

import asyncio
import json
import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.channels.installations import Installation
from serving.channels.connecting import Granted
from tests import gateways
from tests.chats import Chat

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
APPLICATION = "1100000000000000001"
BOT_TOKEN = "the token of the bot of an app of these tests"
ANSWER, GUILD, TOKEN, APP, COMMANDS = "answer", "guild", "token", "application", "commands"


def public(key: Ed25519PrivateKey) -> str:
    """A key's public half, as Discord shows it."""
    return key.public_key().public_bytes_raw().hex()


def make_id() -> str:
    """A new id, as Discord makes them."""
    return str(10**18 + secrets.randbelow(10**18))


class Call(NamedTuple):
    """A call: what it is about, the id or token in its path, its content and files, and who it is from."""

    kind: str
    about: str
    content: dict[str, Any]
    files: dict[str, str]
    authorization: str


class FakeDiscord:
    """Records all calls. The next answers to calls of a kind are those in `script`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: dict[str, list[tuple[int, Any, Mapping[str, str]]]] = defaultdict(list)
        self.guilds: dict[str, str] = {}  # the names of the servers in which the bot is
        self.url = ""
        self._arrived = asyncio.Condition()

    def answer_next(self, kind: str, status: int, body: Any, **headers: str) -> None:
        """Answer the next call of a kind so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script[kind].append((status, body, named))

    async def take(self, request: web.Request) -> web.Response:
        """Any call."""
        kind, about = request.match_info.route.name or "", request.match_info.get("about", "")
        content, files = await _read(request)
        call = Call(kind, about, content, files, request.headers.get("Authorization", ""))
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        if self.script[kind]:
            status, body, headers = self.script[kind].pop(0)
            return web.json_response(body, status=status, headers=headers)
        return self._answer(call)

    def _answer(self, call: Call) -> web.Response:
        match call.kind:
            case "guild" if call.about in self.guilds:
                return web.json_response({"id": call.about, "name": self.guilds[call.about]})
            case "guild":
                return web.json_response({"message": "Unknown Guild", "code": 10004}, status=404)
            case "application":
                return web.json_response({"id": APPLICATION, "name": "ToneBridge", "verify_key": public(KEY)})
            case "commands":
                return web.json_response(call.content["list"])
        return web.json_response({"id": make_id()})

    def count(self, kind: str) -> int:
        """The calls of a kind so far."""
        return sum(call.kind == kind for call in self.calls)

    async def wait_for(self, kind: str, calls: int = 1) -> Call:
        """A kind's call of that number, from 1, as soon as it has come."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: self.count(kind) >= calls)
        return [call for call in self.calls if call.kind == kind][calls - 1]

    async def answers(self, number: int = 1) -> Mapping[str, Any]:
        """The message of that number, from 1, that a person sees."""
        return (await self.wait_for(ANSWER, number)).content


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, str]]:
    if request.content_type == "multipart/form-data":
        form = await request.post()
        files = {
            field.filename: field.file.read().decode()
            for field in form.values()
            if isinstance(field, web.FileField)
        }
        payload = form["payload_json"]
        assert isinstance(payload, str | bytes | bytearray)
        return json.loads(payload), files
    if request.content_type == "application/json":
        document = await request.json()
        return (document if isinstance(document, dict) else {"list": document}), {}
    return {name: str(value) for name, value in (await request.post()).items()}, {}


@asynccontextmanager
async def serving() -> AsyncIterator[FakeDiscord]:
    """A fake Discord on a port."""
    discord, app = FakeDiscord(), web.Application()
    path = f"/webhooks/{APPLICATION}/{{about}}/messages/@original"
    app.router.add_patch(path, discord.take, name=ANSWER)
    app.router.add_get("/guilds/{about}", discord.take, name=GUILD)
    app.router.add_post("/oauth2/token", discord.take, name=TOKEN)
    app.router.add_get("/applications/@me", discord.take, name=APP)
    app.router.add_put("/applications/{about}/commands", discord.take, name=COMMANDS)
    server = TestServer(app)
    await server.start_server()
    discord.url = str(server.make_url("")).rstrip("/")
    try:
        yield discord
    finally:
        await server.close()


def sign(body: str, key: Ed25519PrivateKey = KEY, age_s: int = 0) -> dict[str, str]:
    """The headers with which Discord signs a body."""
    timestamp = str(int(time.time()) - age_s)
    signature = key.sign(timestamp.encode() + body.encode()).hex()
    return {"X-Signature-Timestamp": timestamp, "X-Signature-Ed25519": signature}


class Person(NamedTuple):
    """A person of a server, who uses the app in a language."""

    guild: str
    id: str
    locale: str = "en-US"

    def slash(self, name: str, **options: Any) -> dict[str, Any]:
        """A slash command."""
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        command = {"name": name, "type": 1, "options": given}
        return self._do(2, {"type": 1, "name": "tonebridge", "options": [command]})

    def choose(self, name: str, text: str, **fields: Any) -> dict[str, Any]:
        """A command of the menu of another person's message."""
        target = make_id()
        message = {"id": target, "content": text, "mentions": [], "author": {"id": make_id()}, **fields}
        data = {"type": 3, "name": name, "target_id": target, "resolved": {"messages": {target: message}}}
        return self._do(2, data)

    def click(self, custom_id: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """A click on a button of a message."""
        return self._do(3, {"component_type": 2, "custom_id": custom_id}, message=message)

    def submit(self, form: Mapping[str, Any], **values: str) -> dict[str, Any]:
        """A form, filled in."""
        filled = []
        for part in form["components"]:
            field = part["component"]
            name, value = field["custom_id"], values.get(field["custom_id"])
            if "options" in field:
                (default,) = (option["value"] for option in field["options"] if option["default"])
                filled.append({"type": 3, "custom_id": name, "values": [value or default]})
            else:
                filled.append({"type": 4, "custom_id": name, "value": value or field.get("value", "")})
        data = {
            "custom_id": form["custom_id"],
            "components": [{"type": 18, "component": field} for field in filled],
        }
        return self._do(5, data)

    def _do(self, kind: int, data: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return {
            "type": kind,
            "id": make_id(),
            "application_id": APPLICATION,
            "token": uuid.uuid4().hex,
            "guild_id": self.guild,
            "member": {"user": {"id": self.id, "username": "ann"}},
            "locale": self.locale,
            "data": data,
            **fields,
        }


class Server:
    """How people of Discord reach the process of a test."""

    def __init__(self, chat: Chat, discord: FakeDiscord) -> None:
        self.chat, self.discord = chat, discord

    async def connect(self, organisation_id: uuid.UUID | None = None) -> Installation:
        """A connected server of an organisation, or of a new one."""
        tenant = organisation_id or gateways.an_organisation(self.chat.engine)
        granted = Granted(make_id(), "Acme", "", ["bot"])
        self.discord.guilds[granted.workspace] = "Acme"
        return await self.chat.workspaces.connect(tenant, "discord", granted, "a test")

    def person(self, installation: Installation, locale: str = "en-US") -> Person:
        """A new person of a server."""
        return Person(installation.workspace, make_id(), locale)

    async def post(
        self, body: str, headers: Mapping[str, str] | None = None, path: str = "/discord"
    ) -> httpx.Response:
        """Discord's request with a body."""
        signed = sign(body) if headers is None else headers
        headers = {"Content-Type": "application/json", **signed}
        return await self.chat.client.post(path, content=body, headers=headers)

    async def send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to what a person does."""
        response = await self.post(json.dumps(request))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def agree(self, person: Person) -> None:
        """Have a person agree, who wants nothing at the moment."""
        before = self.discord.count(ANSWER)
        asked = await self.send(person.slash("rewrite", text="x" * 5000))  # too long to wait in the question
        await self.send(person.click(buttons(asked["data"])["agree"], asked["data"]))
        await self.discord.answers(before + 1)

    async def rewrite(self, person: Person, message: str = "Fix it.") -> Mapping[str, Any]:
        """The answer to the command, with its buttons."""
        before = self.discord.count(ANSWER)
        assert await self.send(person.slash("rewrite", text=message)) == {"type": 5, "data": {"flags": 64}}
        return await self.discord.answers(before + 1)

    async def click(self, person: Person, message: Mapping[str, Any], action: str) -> Mapping[str, Any]:
        """What a person sees after a click on a button of a message."""
        before = self.discord.count(ANSWER)
        assert await self.send(person.click(buttons(message)[action], message)) == {"type": 6}
        return await self.discord.answers(before + 1)


def buttons(message: Mapping[str, Any]) -> dict[str, str]:
    """The ids of the buttons of a message, by action."""
    rows = (part["components"] for part in message["components"] if part["type"] == 1)
    ids = [button["custom_id"] for row in rows for button in row]
    return {id.partition(":")[0]: id for id in ids}


def texts(message: Mapping[str, Any]) -> list[str]:
    """The texts of a message, as Markdown."""
    return [part["content"] for part in message["components"] if part["type"] == 10]
