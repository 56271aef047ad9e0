"""The process of the chat platforms in a test: how requests of a fake Slack reach it, and what people see."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine, text

from configs.settings import Settings
from data.channels.installations import Installation
from data.tables import new_id
from pipelines import local
from serving.channels.connecting import Granted
from serving.channels.workspaces import Workspaces
from tests import dashboards, gateways, slacks
from tests.slacks import FakeSlack, Person

FORMER_SECRET = "the signing secret that is replaced"


class Chat:
    """The process, the fake Slack, and how Slack's requests reach the process."""

    def __init__(
        self,
        app: FastAPI,
        client: httpx.AsyncClient,
        slack: FakeSlack,
        engine: Engine,
        workspaces: Workspaces,
    ) -> None:
        self.app, self.client, self.slack, self.engine = app, client, slack, engine
        self.workspaces = workspaces

    def browser(self) -> httpx.AsyncClient:
        """A browser without a session, which follows no redirect."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", timeout=60
        )

    async def connect(self, organisation_id: uuid.UUID | None = None) -> Installation:
        """A connected workspace of an organisation, or of a new one."""
        tenant = organisation_id or gateways.an_organisation(self.engine)
        team = f"T{uuid.uuid4().hex}"
        granted = Granted(team, "Acme", f"xoxb-{team}", ["commands"])
        return await self.workspaces.connect(tenant, "slack", granted, "a test")

    def person(self, installation: Installation) -> Person:
        """A new person of a workspace."""
        return Person(installation.workspace, f"U{uuid.uuid4().hex}", self.slack.url)

    async def send(self, body: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Slack's request with a body."""
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        signed = slacks.sign(body) if headers is None else headers
        return await self.client.post("/slack", content=body, headers={"Content-Type": kind, **signed})

    async def agree(self, person: Person, **wanted: Any) -> None:
        """Have a person agree; their next answer comes after it."""
        before = self.slack.count("response_url")
        value = json.dumps({"training": True, **wanted})
        assert (await self.send(person.click("agree", value))).status_code == 200
        await self.slack.wait_for("response_url", before + 1)

    async def rewrite(self, person: Person, message: str = "Fix it.") -> dict[str, Any]:
        """The answer to the command, with its buttons."""
        before = self.slack.count("response_url")
        assert (await self.send(person.command(message))).text == ""
        return (await self.slack.wait_for("response_url", before + 1)).arguments

    async def choose(self, person: Person, message: str, **chosen: str) -> dict[str, Any]:
        """What is in the window after the shortcut on a message and its button, with choices that the person
        has changed.
        """
        opened, updated = self.slack.count("views.open"), self.slack.count("views.update")
        assert (await self.send(person.shortcut(message))).status_code == 200
        view = (await self.slack.wait_for("views.open", opened + 1)).arguments["view"]
        assert (await self.send(person.choose(view, **chosen))).status_code == 200
        filled = (await self.slack.wait_for("views.update", updated + 2)).arguments
        assert filled["view_id"] == "V-opened"
        window: dict[str, Any] = filled["view"]
        return window

    async def wait_until(self, query: str, **values: Any) -> None:
        """Return as soon as a query gives a number above 0."""
        async with asyncio.timeout(60):
            while not self.count(query, **values):  # noqa: ASYNC110 (Postgres has no event for it)
                await asyncio.sleep(0.02)

    def add_rule(self, tenant: uuid.UUID, word: str, *more: Mapping[str, Any]) -> None:
        """A rule of an organisation for a word, and for further conditions; it proposes to clarify."""
        conditions = [{"kind": "keyword", "words": [word]}, *more]
        rule = {"id": new_id(), "tenant": tenant, "conditions": json.dumps(conditions)}
        with self.engine.begin() as owner:
            owner.execute(
                text(
                    "INSERT INTO transform_rules (id, organisation_id, name, conditions, transform_type,"
                    " intensity, priority, enabled, created_by) VALUES (:id, :tenant, 'Calmer',"
                    " cast(:conditions AS jsonb), 'clarify', 3, 100, true, 'a test')"
                ),
                rule,
            )

    def count(self, query: str, **values: Any) -> int:
        """The number that a query gives."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(query), values).scalar_one())


@contextmanager
def serving_page(base: Settings, url: str, folder: Path) -> Iterator[dashboards.Installation]:
    """An installation with the page that connects workspaces, at `channels_url` of its settings; `url` is
    that of its database.
    """
    own = dashboards.own_settings(base, url, folder)
    changes = {
        "channels_url": f"http://127.0.0.1:{own.channels_port}",
        "slack_client_id": "1.2",
        "slack_client_secret": SecretStr("the client secret of an app of these tests"),
        "slack_signing_secrets": (SecretStr("a signing secret"),),
    }
    settings = own.model_copy(update=changes)
    with (
        dashboards.with_gateway(settings) as installation,
        local.running(settings, "channels") as running,
    ):
        running["channels"].wait_until_ready(f"{settings.channels_url}/livez")
        yield installation


def buttons(answer: Mapping[str, Any]) -> dict[str, str]:
    """The values of the buttons of a message or window, by action."""
    found = (block["elements"] for block in answer["blocks"] if block["type"] == "actions")
    return {button["action_id"]: button["value"] for elements in found for button in elements}


def texts(answer: Mapping[str, Any]) -> list[str]:
    """The texts of the sections and notes of a message or window."""
    found = []
    for block in answer["blocks"]:
        if block["type"] == "section":
            found.append(block["text"]["text"])
        if block["type"] == "context":
            found += [element["text"] for element in block["elements"]]
    return found
