"""A real installation to look at: Postgres, Valkey, the inference service, a registry, a gateway, the
dashboard, and a browser.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import accounts, identities
from data.people.identities import Role
from data.records import PROTECTED, Spec
from data.tables import Account, ApiKey, Version, new_id
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import carry_out, local
from pipelines.promote import make_champion, make_servable
from tests.ports import with_own_ports
from tests.registry import register

PASSWORD = "a password for tests"


@dataclass(frozen=True)
class Installation:
    """Where everything is, and a key that opens the gateway for the organisation that runs it."""

    settings: Settings
    engine: Engine
    key: str

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.settings.dashboard_port}"

    def account(self, role: Role) -> str:
        """A new account of the organisation that runs this; its address."""
        email, account_id = f"{role}-{new_id()}@example.org", new_id()
        with Session(self.engine) as session, session.begin():
            key = identities.parse_key(self.key)
            assert key is not None
            tenant = session.get_one(ApiKey, key[0]).organisation_id
            session.add(
                Account(
                    id=account_id,
                    organisation_id=tenant,
                    user_id=account_id,
                    email=email,
                    name="",
                    role=role,
                    password_hash=accounts.hash_password(PASSWORD),
                )
            )
        return email


@pytest.fixture(scope="module")
def installation(
    stack: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """v1 is champion, v2 and v3 have passed the gate; the flow's environment leads here."""
    folder = tmp_path_factory.mktemp("registry")
    settings = with_own_ports(
        stack.model_copy(
            update={"database_url": new_database(), "mlflow_uri": f"sqlite:///{folder / 'mlflow.db'}"}
        )
    ).model_copy(
        update={
            "inference_urls": stack.inference_urls,
            "inference_port": stack.inference_port,
            "holdout_share": 0.0,  # everybody is answered by what was shipped
        }
    )
    assert settings.database_url is not None
    engine = database.engine(settings.database_url)
    register(settings, folder, stack.artifacts / "tiny", ("v1", "v2", "v3"))
    _fill(engine)
    key = identities.bootstrap(engine, None, settings.organisation)
    assert key is not None
    with pytest.MonkeyPatch.context() as patch:
        for name, value in local.environment(settings).items():
            patch.setenv(name, value)
        patch.setattr(carry_out, "make_servable", make_servable.fn)
        patch.setattr(carry_out, "make_champion", make_champion.fn)
        with local.running(settings, "gateway", "dashboard") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/readyz")
            processes["dashboard"].wait_until_ready(f"http://127.0.0.1:{settings.dashboard_port}/livez")
            yield Installation(settings, engine, key)
    engine.dispose()


def _fill(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        for name in ("v1", "v2", "v3"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
            session.flush()
        # Of a newest version that has been in no experiment the flow would begin one by itself.
        newest = Version.created_at + timedelta(days=1)
        session.execute(update(Version).where(Version.name == "v2").values(created_at=newest))
        champion = Spec(version="v1", protection=PROTECTED)
        routing.publish(session, Routing(champion=champion), "the first")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no browser: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def sign_in(installation: Installation, browser: Browser) -> Iterator[Callable[..., Page]]:
    """`sign_in(role)` is a page of a new account with that role; options go to the browser's context. What a
    page logs as an error fails the test, but for answers that it gets.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def do(role: Role, **options: object) -> Page:
        context = browser.new_context(locale="en-GB", base_url=installation.url, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda said: (
                errors.append(said.text) if said.type == "error" and "status of" not in said.text else None
            ),
        )
        page.goto("/")
        page.get_by_label("E-mail").fill(installation.account(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page

    yield do
    for context in contexts:
        context.close()
    assert errors == []
