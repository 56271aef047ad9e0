"""Installations with a dashboard, and browsers that have signed in to it. `tests/conftest.py` loads the
fixtures for all tests. Most tests need neither, and the dashboard, MLflow and Playwright take seconds to
import: so they are imported where they are used.
"""

import random
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.people.identities import Role
from data.records import PROTECTED, Spec
from data.tables import Organisation, Version
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local
from pipelines.environments import environment
from tests.accounts import PASSWORD, add_account
from tests.logins import as_dashboard, lengthen_statements
from tests.ports import with_own_ports
from tests.waiting import patient_processes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
    from starlette.testclient import TestClient

SignIn = Callable[..., "Page"]


@dataclass(frozen=True)
class Installation:
    """An installation of a test's own: its settings, its rows, the organisation that runs it, and a key that
    opens the gateway for that organisation.
    """

    settings: Settings
    engine: Engine
    organisation_id: uuid.UUID
    key: str

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.settings.dashboard_port}"

    def account(self, role: Role) -> str:
        """The e-mail address of a new account with that role."""
        return add_account(self.engine, self.organisation_id, role).email

    def client(self, role: Role = "viewer") -> "TestClient":
        """A client of a dashboard in this process, in which a new account with that role has signed in."""
        from starlette.testclient import TestClient

        from serving.dashboard.app import create_app

        # Each client has an address of its own, since the gateway limits first sign-ins per address.
        address = (str(IPv4Address(random.getrandbits(32))), 1)
        app = create_app(as_dashboard(self.settings))
        client = TestClient(app, base_url="http://127.0.0.1", client=address)
        sign_in_by_form(client, self.account(role))
        return client


def sign_in_by_form(client: httpx.Client, email: str) -> None:
    """Sign a client in, as the sign-in page does."""
    form = {"email": email, "password": PASSWORD}
    response = client.post("/sign-in", data=form, follow_redirects=False)
    assert response.status_code == 303, response.text


def csrf_token(client: httpx.Client, path: str) -> str:
    """The secret of the session, which every form of a page has."""
    match = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert match is not None
    return match[1]


def own_settings(settings: Settings, url: str, folder: Path) -> Settings:
    """Settings for another database and state folder, with ports on which nobody listens: MLflow and Prefect
    are unavailable.
    """
    changes = {
        "database_url": url,
        "state": folder,
        "artifacts": folder / "artifacts",
        "mlflow_uri": "postgresql+psycopg://owner:a-password@db/mlflow",
    }
    return with_own_ports(settings.model_copy(update=changes))


def set_up(settings: Settings) -> Installation:
    """The organisation that runs the installation, in the settings' database of its own."""
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    lengthen_statements(engine)
    key = identities.bootstrap(engine, None, settings.organisation)
    assert key is not None
    with Session(engine) as session:
        query = select(Organisation.id).where(Organisation.name == settings.organisation)
        return Installation(settings, engine, session.scalars(query).one(), key)


@contextmanager
def with_gateway(settings: Settings, *others: str) -> Iterator[Installation]:
    """An installation whose gateway runs, and other processes, and has no version to answer with."""
    installation = set_up(settings)
    with patient_processes(), local.running(settings, "gateway", *others) as processes:
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        yield installation
    installation.engine.dispose()


@pytest.fixture(scope="module")
def installation(
    stack: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Postgres, Valkey, the inference service, a registry, a gateway and a dashboard. v1 is champion; v2 and
    v3 have passed the gate. The environment leads this process's flows to it.
    """
    from pipelines import carry_out
    from pipelines.promote import make_champion, make_servable
    from tests.registry import register

    folder = tmp_path_factory.mktemp("registry")
    changes = {"database_url": new_database(), "mlflow_uri": f"sqlite:///{folder / 'mlflow.db'}"}
    settings = with_own_ports(stack.model_copy(update=changes)).model_copy(
        update={
            "inference_urls": stack.inference_urls,
            "inference_port": stack.inference_port,
            "holdout_share": 0.0,  # everybody is answered by what was shipped
        }
    )
    register(settings, folder, stack.artifacts / "tiny", ("v1", "v2", "v3"))
    installation = set_up(settings)
    _add_versions(installation.engine)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings).items():
            patch.setenv(name, value)
        patch.setattr(carry_out, "make_servable", make_servable.fn)
        patch.setattr(carry_out, "make_champion", make_champion.fn)
        with patient_processes(), local.running(settings, "gateway", "dashboard") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            processes["dashboard"].wait_until_ready(f"{installation.url}/livez")
            yield installation
    installation.engine.dispose()


def _add_versions(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for name in ("v1", "v2", "v3"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
            session.flush()
        # The flow starts an experiment with the newest version if that was in none; tests start with v2.
        newest = Version.created_at + timedelta(days=1)
        session.execute(update(Version).where(Version.name == "v2").values(created_at=newest))
        champion = Spec(version="v1", protection=PROTECTED)
        routing.publish(session, Routing(champion=champion), "the first")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium, without a window."""
    from playwright.sync_api import expect, sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no browser: apt install chromium")
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sign_in(installation: Installation, browser: "Browser") -> Iterator[SignIn]:
    """`sign_in(role)` is a page of a new account with that role; options go to the browser's context. Errors
    in the browser's console fail the test, except those about the status of a response.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def collect(message: "ConsoleMessage") -> None:
        if message.type == "error" and "status of" not in message.text:
            errors.append(message.text)

    def sign_in(role: Role, **options: object) -> "Page":
        context = browser.new_context(locale="en-GB", base_url=installation.url, **options)  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", collect)
        page.goto("/")
        page.get_by_label("E-mail").fill(installation.account(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert errors == []


def draft(page: "Page", name: str, *challengers: str) -> str:
    """Draft an experiment by the form; the address of its page."""
    from playwright.sync_api import expect

    page.goto("/experiments/new")
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_label(re.compile("^Hypothesis")).fill(f"People like {challengers[0]} better.")
    for challenger in challengers:
        page.get_by_role("checkbox", name=challenger, exact=True).check()
    page.get_by_label(re.compile("^window hours", re.IGNORECASE)).fill("0.0001")
    page.get_by_label(re.compile("^minimum days", re.IGNORECASE)).fill("0")
    page.get_by_text("Everything else").click()
    page.get_by_label(re.compile("^ramp", re.IGNORECASE)).fill("[1.0]")
    page.get_by_label(re.compile("^shadow messages", re.IGNORECASE)).fill("0")
    page.get_by_role("button", name="Draft it").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    return page.url
