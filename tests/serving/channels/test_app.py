"""The process: it starts with what it has, and verifies requests on a real port."""

import subprocess
import sys
import uuid

import httpx
import pytest
from pydantic import SecretStr

from configs.settings import Settings
from pipelines.local import running
from serving.channels import teams as teams_folder
from serving.channels.app import Apis, create_app
from tests import ports, teams
from tests.slacks import SECRET, Person, event, sign

CHALLENGE = '{"type": "url_verification", "challenge": "c0ffee", "token": "t"}'
TEAMS = {"teams_app_id": teams.APP, "teams_client_secret": SecretStr(teams.SECRET)}
JSON = {"Content-Type": "application/json"}


def test_the_process_verifies_slacks_requests(local: Settings) -> None:
    own = ports.with_own_ports(local).model_copy(update={"slack_signing_secrets": (SecretStr(SECRET),)})
    url = f"http://127.0.0.1:{own.channels_port}"
    with running(own, "channels") as processes:
        processes["channels"].wait_until_ready(f"{url}/livez")
        for secret, status in ((SECRET, 200), ("another", 401)):
            headers = {**JSON, **sign(CHALLENGE, secret)}
            assert httpx.post(f"{url}/slack", content=CHALLENGE, headers=headers).status_code == status


def test_the_process_with_teams_starts_and_refuses_strangers(local: Settings) -> None:
    own = ports.with_own_ports(local).model_copy(update=TEAMS)
    url = f"http://127.0.0.1:{own.channels_port}"
    with running(own, "channels") as processes:
        processes["channels"].wait_until_ready(f"{url}/livez")
        stranger = {"Authorization": "Bearer of.bad.news"}
        answer = httpx.post(f"{url}/teams", json={"serviceUrl": "https://x.example"}, headers=stranger)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (Person("T1", "U1", "http://x/").command("Fix it."), 200, "Try again in a minute."),
        (Person("T1", "U1", "http://x/").click("why", "1"), 500, ""),
        (event("T1", "app_uninstalled"), 500, ""),
    ],
    ids=["command", "click", "event"],
)
async def test_without_postgres_the_person_or_slack_hears_that(
    local: Settings, body: str, status: int, says: str
) -> None:
    """Slack sends an event again; of a command it would show the status alone."""
    settings = local.model_copy(
        update={
            "database_url": "postgresql://nobody@127.0.0.1:1/none",
            "slack_signing_secrets": (SecretStr(SECRET),),
        }
    )
    app = create_app(settings)
    kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://channels") as client,
    ):
        headers = {"Content-Type": kind, **sign(body)}
        answer = await client.post("/slack", content=body, headers=headers)
    assert answer.status_code == status
    assert says in answer.text


async def test_without_postgres_the_person_reads_that_in_teams(local: Settings) -> None:
    async with teams.serving() as microsoft:
        person = teams.Person(str(uuid.uuid4()), str(uuid.uuid4()), microsoft.url)
        settings = local.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none", **TEAMS})
        app = create_app(settings, Apis(teams=microsoft.addresses))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client,
        ):
            signed = teams.sign(person.service_url)
            for body, place in (
                (person.open("Fix it."), "dialog"),
                (person.submit({"verb": "rewrite", "text": "Fix it."}), "dialog"),
                (person.click({"verb": "use", "data": {"about": str(uuid.uuid4())}}), "card"),
                (person.message("Fix it."), "chat"),
            ):
                answer = await client.post("/teams", json=body, headers=signed)
                assert answer.status_code == 200
                said = answer.text
                if place == "chat":
                    said = str((await microsoft.wait_for("send")).body)
                assert "Try again in a minute." in said
            answer = await client.post("/teams", json=person.install("remove"), headers=signed)
            assert answer.status_code == 503, "Teams must not take it for done"


async def test_teams_is_off_without_an_app(local: Settings) -> None:
    app = create_app(local)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client:
        assert (await client.post("/teams", json={})).status_code == 404


def test_a_process_without_teams_does_not_import_microsofts_library() -> None:
    code = "import sys, serving.channels.app, serving.channels.connect as _; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "serving.channels.slack.door" in result.stdout
    assert "microsoft_teams" not in result.stdout


async def test_a_library_that_cannot_be_imported_turns_teams_off_alone(
    local: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(teams_folder, "part", raising=False)  # of the tests before
    monkeypatch.setitem(sys.modules, "serving.channels.teams.part", None)
    app = create_app(local.model_copy(update=TEAMS))
    assert "install the extra `channels` again" in caplog.text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client:
        assert (await client.get("/livez")).text == "alive"
        assert (await client.post("/teams", json={})).status_code == 404


def test_nobody_switches_the_verification_of_teams_off(
    local: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANGEROUSLY_ALLOW_UNAUTHENTICATED_REQUESTS", "true")
    create_app(local)
    with pytest.raises(ValueError, match="unset DANGEROUSLY_ALLOW_UNAUTHENTICATED_REQUESTS"):
        create_app(local.model_copy(update=TEAMS))


async def test_slack_is_off_without_a_signing_secret(local: Settings) -> None:
    app = create_app(local)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels") as client:
        assert (await client.get("/livez")).text == "alive"
        response = await client.post("/slack", content=CHALLENGE, headers={**JSON, **sign(CHALLENGE)})
        assert response.status_code == 404


def test_a_missing_setting_is_named(local: Settings) -> None:
    with pytest.raises(ValueError, match="TONEBRIDGE_DATABASE_URL"):
        create_app(local.model_copy(update={"database_url": None}))
    with pytest.raises(ValueError, match="TONEBRIDGE_CHANNEL_SECRET"):
        create_app(local.model_copy(update={"channel_secret": None}))
    with pytest.raises(ValueError, match="TONEBRIDGE_TEAMS_CLIENT_SECRET"):
        create_app(local.model_copy(update={"teams_app_id": teams.APP}))
