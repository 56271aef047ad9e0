"""Installations with the web app, and people who have signed in to it."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import identities
from data.people.identities import Role
from data.records import PROTECTED, Spec
from data.tables import Account, Organisation
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local
from tests.accounts import add_account
from tests.dashboards import Installation, set_up, sign_in_by_form

if TYPE_CHECKING:
    from starlette.testclient import TestClient

_TINY = Spec(version="v1", max_new_tokens=8, protection=PROTECTED)


@dataclass(frozen=True)
class Site:
    """An installation whose gateway answers with the tiny model, and its web app."""

    installation: Installation

    @property
    def settings(self) -> Settings:
        """Those of its processes."""
        return self.installation.settings

    @property
    def url(self) -> str:
        """The web app's address."""
        return f"http://127.0.0.1:{self.settings.web_port}"

    def add_person(self, role: Role = Role.MEMBER, organisation_id: uuid.UUID | None = None) -> Account:
        """A new person, of the organisation that runs the installation or of another one."""
        return add_account(
            self.installation.engine, organisation_id or self.installation.organisation_id, role
        )

    def add_organisation(self) -> uuid.UUID:
        """Another organisation."""
        name, engine = str(uuid.uuid4()), self.installation.engine
        identities.bootstrap(engine, identities.generate_key(), name)
        with Session(engine) as session:
            return session.scalars(select(Organisation.id).where(Organisation.name == name)).one()

    def client(self, person: Account | None = None, role: Role = Role.MEMBER) -> "TestClient":
        """A client of a web app in this process, in which a person has signed in, `person` or a new one."""
        from starlette.testclient import TestClient

        from serving.web.app import create_app

        # Each client has an address of its own, since the gateway limits first sign-ins per address.
        address = (str(IPv4Address(random.getrandbits(32))), 1)
        client = TestClient(create_app(self.settings), base_url="http://127.0.0.1", client=address)
        sign_in_by_form(client, (person or self.add_person(role)).email)
        return client


@contextmanager
def serving(settings: Settings, champion: Spec = _TINY) -> Iterator[Site]:
    """An installation in the settings' database, with a version of its inference service as the champion."""
    installation = set_up(settings)
    with Session(installation.engine) as session, session.begin():
        routing.publish(session, Routing(champion=champion), "a test")
    with local.running(settings, "gateway", "web") as processes:
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
        site = Site(installation)
        processes["web"].wait_until_ready(f"{site.url}/livez")
        yield site
    installation.engine.dispose()
