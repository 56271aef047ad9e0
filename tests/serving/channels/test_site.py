"""An admin connects a workspace by a click; nobody else can finish what they began."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from configs.settings import Settings
from data import database
from data.people.identities import Role
from serving.channels.connecting import Granted
from serving.channels.slack import connector
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspaces
from tests import gateways
from tests.accounts import PASSWORD, add_account
from tests.chats import Chat, serving_page
from tests.dashboards import Installation
from tests.logins import as_gateway
from tests.serving.web.browsers import VIEWS, check

if TYPE_CHECKING:
    from playwright.sync_api import Browser


async def sign_in(chat: Chat, tenant: uuid.UUID | None = None, role: Role = Role.ADMIN) -> httpx.AsyncClient:
    """The browser of a person of an organisation, signed in."""
    account = add_account(chat.engine, tenant or gateways.an_organisation(chat.engine), role)
    browser = chat.browser()
    form = {"email": account.email, "password": PASSWORD}
    assert (await browser.post("/sign-in", data=form)).status_code == 303
    return browser


async def begin(browser: httpx.AsyncClient) -> str:
    """The state that Slack is shown."""
    response = await browser.get("/slack/install")
    assert response.status_code == 303
    url = urlsplit(response.headers["location"])
    query = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert (url.hostname, url.path) == ("slack.com", "/oauth/v2/authorize")
    assert query["client_id"] == "1.2"
    assert query["redirect_uri"] == "http://127.0.0.1/slack/installed"
    assert query["scope"] == connector.SCOPES
    return query["state"]


def grant(chat: Chat, team: str, **more: object) -> None:
    """Have Slack give a token for the next code."""
    body = {
        "ok": True,
        "access_token": f"xoxb-{team}",
        "scope": connector.SCOPES,
        "team": {"id": team, "name": "Acme <b>"},
        **more,
    }
    chat.slack.answer_next("oauth.v2.access", 200, body)


async def come_back(browser: httpx.AsyncClient, state: str, **more: str) -> httpx.Response:
    """Slack's redirect."""
    return await browser.get("/slack/installed", params={"code": "c0de", "state": state, **more})


async def test_an_admin_connects_a_workspace_and_disconnects_it(chat: Chat) -> None:
    tenant, team = gateways.an_organisation(chat.engine), f"T{uuid.uuid4().hex}"
    browser = await sign_in(chat, tenant)
    assert "None is connected." in (await browser.get("/workspaces")).text
    grant(chat, team)
    shown = await come_back(browser, await begin(browser))
    assert shown.status_code == 200
    assert "Acme &lt;b&gt; is connected." in shown.text
    call = await chat.slack.wait_for("oauth.v2.access")
    assert call.arguments == {
        "client_id": "1.2",
        "client_secret": "the client secret of an app of these tests",
        "code": "c0de",
        "redirect_uri": "http://127.0.0.1/slack/installed",
    }
    found = await chat.workspaces.find("slack", team)
    assert found is not None
    assert (found.token, found.installation.organisation_id) == (f"xoxb-{team}", tenant)
    assert found.installation.installed_by.startswith("account:")
    is_clear = "workspace = :team AND position(CAST('xoxb' AS bytea) IN sealed) > 0"
    assert chat.count(f"SELECT count(*) FROM channel_installations WHERE {is_clear}", team=team) == 0
    csrf = shown.text.split('name="csrf" value="')[1].partition('"')[0]
    forged = await browser.post(
        "/workspaces/remove", data={"csrf": "no", "platform": "slack", "workspace": team}
    )
    assert forged.status_code == 403
    assert await chat.workspaces.find("slack", team) is not None
    await browser.post("/workspaces/remove", data={"csrf": csrf, "platform": "slack", "workspace": team})
    assert await chat.workspaces.find("slack", team) is None
    changed = (
        "SELECT count(*) FROM key_changes WHERE key_id = :key AND changed_by = :by"
        " AND action IN ('key_created', 'key_revoked')"
    )
    installation = found.installation
    assert chat.count(changed, key=installation.key_id, by=installation.installed_by) == 2


async def test_a_state_is_used_once_and_only_by_its_session(chat: Chat) -> None:
    ann, bob = await sign_in(chat), await sign_in(chat)
    state = await begin(ann)
    for browser, sent in ((bob, state), (ann, f"{state}x"), (ann, state), (bob, "")):
        # A wrong state ends the attempt, so the right one comes too late.
        refused = await come_back(browser, sent)
        assert refused.status_code == 403
        assert "Begin again" in refused.text
    state, team = await begin(ann), f"T{uuid.uuid4().hex}"
    grant(chat, team)
    assert (await come_back(ann, state)).status_code == 200
    assert (await come_back(ann, state)).status_code == 403
    assert chat.slack.count("oauth.v2.access") == 1


async def test_a_workspace_of_another_organisation_stays_there(chat: Chat) -> None:
    connected = await chat.connect()
    browser = await sign_in(chat)
    grant(chat, connected.workspace)
    refused = await come_back(browser, await begin(browser))
    assert refused.status_code == 409
    assert "another organisation" in refused.text
    page = await browser.get("/workspaces")
    assert connected.workspace not in page.text
    csrf = (await browser.get("/workspaces")).text.split('name="csrf" value="')[1].partition('"')[0]
    await browser.post(
        "/workspaces/remove", data={"csrf": csrf, "platform": "slack", "workspace": connected.workspace}
    )
    assert await chat.workspaces.find("slack", connected.workspace) is not None


async def refuse(chat: Chat) -> None:
    chat.slack.answer_next("oauth.v2.access", 200, {"ok": False, "error": "invalid_code"})


async def grant_enterprise(chat: Chat) -> None:
    grant(chat, "T1", is_enterprise_install=True)


@pytest.mark.parametrize(
    ("prepare", "more", "says"),
    [
        (refuse, {}, "invalid_code"),
        (grant_enterprise, {}, "whole enterprise"),
        (refuse, {"error": "access_denied"}, "access_denied"),
    ],
)
async def test_what_slack_refuses_is_explained(
    chat: Chat, prepare: Callable[[Chat], object], more: dict[str, str], says: str
) -> None:
    browser = await sign_in(chat)
    await prepare(chat)  # type: ignore[misc]
    refused = await come_back(browser, await begin(browser), **more)
    assert refused.status_code == 400
    assert says in refused.text


@pytest.mark.parametrize("path", ["/workspaces", "/slack/install", "/slack/installed?state=s&code=c"])
async def test_only_signed_in_admins_connect(chat: Chat, path: str) -> None:
    stranger = await chat.browser().get(path)
    assert stranger.headers["location"].startswith("/sign-in?to=")
    member = await sign_in(chat, role=Role.EXPERIMENTER)
    refused = await member.get(path)
    assert refused.status_code == 403
    assert "needs the role admin" in refused.text


async def test_a_page_has_the_headers_and_hosts_of_every_site(chat: Chat) -> None:
    page = await chat.browser().get("/sign-in")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (await chat.browser().get("/sign-in", headers={"Host": "evil.example"})).status_code == 400


@pytest.fixture(scope="module")
def installation(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with serving_page(local, new_database(), tmp_path_factory.mktemp("page")) as installation:
        yield installation


def connect(installation: Installation, *names: str) -> None:
    """Connect workspaces of Slack with these names."""

    async def store() -> None:
        settings = as_gateway(installation.settings)
        async with database.online_pool(str(settings.database_url)) as pool:
            workspaces = Workspaces(pool, Vault(settings.secret("channel_secret")))
            for name in names:
                granted = Granted(f"T{uuid.uuid4().hex}", name, "xoxb-1", ["commands"])
                await workspaces.connect(installation.organisation_id, "slack", granted, "a test")

    with ThreadPoolExecutor(1) as threads:  # Playwright has an event loop in this one
        threads.submit(asyncio.run, store()).result()


@pytest.mark.slow
def test_the_page_is_accessible_and_fits(installation: Installation, browser: "Browser") -> None:
    email = installation.account("admin")
    for connected in ([], ["Acme", "株式会社テスト", "W" * 80]):
        connect(installation, *connected)
        for width, scheme, locale in VIEWS:
            options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "locale": locale}
            with browser.new_context(base_url=installation.settings.channels_url, **options) as context:
                page = context.new_page()
                page.goto("/workspaces")
                page.locator("[name=email]").fill(email)
                page.locator("[name=password]").fill(PASSWORD)
                page.locator("[name=password]").press("Enter")
                page.locator("a[href='/slack/install']").wait_for()
                assert page.locator(".workspaces li").count() == len(connected)
                check(page)
