"""Prefect's API runs commands, and MLflow keeps the models. Both ask for a login, and refuse requests from
pages of other sites.
"""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import sync_playwright

from configs.settings import SERVICE_USER, Settings
from data import database
from pipelines import local as stack
from pipelines.environments import environment
from serving.dashboard import services
from tests.ports import free_port, with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ATTACK = """
<script>
async function attack() {
  const done = [];
  const call = async (method, path, body, type) => {
    try {
      const answer = await fetch('%(api)s' + path, {
        method, headers: {'Content-Type': type || 'application/json'}, body: body && JSON.stringify(body),
        mode: type ? 'no-cors' : 'cors',
      });
      if (answer.ok) done.push(method);
      return answer.ok ? await answer.json().catch(() => null) : null;
    } catch (refused) { return null; }
  };
  const seen = await call('POST', '/deployments/filter', {});
  const step = {'prefect.deployments.steps.run_shell_script': {script: 'touch pwned'}};
  await call('PATCH', '/deployments/%(id)s', {pull_steps: [step]});
  await call('POST', '/deployments/%(id)s/create_flow_run', {});
  await call('POST', '/deployments/%(id)s/create_flow_run', {}, 'text/plain');  // no preflight
  document.title = 'done: ' + done.join(' ') + (seen ? ' read' : '');
}
attack();
</script>
"""


@pytest.fixture(scope="module")
def own(local: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose Prefect and MLflow nobody else uses."""
    folder = tmp_path_factory.mktemp("own")
    return with_own_ports(local).model_copy(
        update={"state": folder, "mlflow_uri": f"sqlite:///{folder / 'mlflow.db'}"}
    )


@pytest.fixture(scope="module")
def prefect(own: Settings) -> Iterator[Settings]:
    """Prefect as `make up` starts it."""
    with stack.running(own, "prefect") as processes:
        processes["prefect"].wait_until_ready(f"{services.prefect(own)}/api/health")
        yield own


@pytest.fixture(scope="module")
def bare(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Prefect as it comes."""
    folder = tmp_path_factory.mktemp("bare")
    port = free_port()
    settings = own.model_copy(update={"prefect_password": None, "prefect_port": port})
    ours = ("AUTH_STRING", "CORS", "CSRF")
    env = {
        name: value
        for name, value in environment(own, "prefect").items()
        if not (name.startswith("PREFECT") and any(word in name for word in ours))
    }
    with psycopg.connect(str(own.database_url), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare_prefect")
    at = database.replace_database(str(own.database_url), "bare_prefect", "postgresql+asyncpg")
    env |= {"PREFECT_HOME": str(folder), "PREFECT_API_DATABASE_CONNECTION_URL": at}
    env["TONEBRIDGE_PREFECT_PORT"] = str(settings.prefect_port)
    process = stack.Process("bare", stack.command("prefect", env), env, folder / "log")
    try:
        process.wait_until_ready(f"{services.prefect(settings)}/api/health")
        yield settings
    finally:
        process.stop()


def a_deployment(client: httpx.Client) -> str:
    flow = client.post("/flows/", json={"name": "promote"}).raise_for_status().json()["id"]
    deployment = client.post("/deployments/", json={"name": "by-hand", "flow_id": flow})
    return str(deployment.raise_for_status().json()["id"])


def runs_of(client: httpx.Client, deployment: str) -> list[object]:
    """Its runs alone: other tests leave theirs in the same Prefect."""
    only = {"deployments": {"id": {"any_": [deployment]}}}
    runs: list[object] = client.post("/flow_runs/filter", json=only).raise_for_status().json()
    return runs


def attack_from_a_page(settings: Settings, deployment: str, folder: Path) -> str:
    """What a page of another site could do with Prefect, opened in the operator's browser."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("there is no browser: apt install chromium")
    api = f"{services.prefect(settings)}/api"
    (folder / "index.html").write_text(ATTACK % {"api": api, "id": deployment})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
                page = browser.new_page()
                # The operator has signed in to Prefect's own pages in this browser before.
                page.goto(services.prefect(settings))
                page.goto(f"http://localhost:{server.server_address[1]}/")
                page.wait_for_function("document.title.startsWith('done:')", timeout=60_000)
                title = page.title()
                browser.close()
        finally:
            server.shutdown()
    return title


def test_a_page_of_another_site_commands_a_prefect_as_it_comes(bare: Settings, tmp_path: Path) -> None:
    """The control: without this installation's settings the attack works."""
    with httpx.Client(base_url=f"{services.prefect(bare)}/api") as client:
        deployment = a_deployment(client)
        title = attack_from_a_page(bare, deployment, tmp_path)
        steps = client.get(f"/deployments/{deployment}").json()["pull_steps"]
        runs = runs_of(client, deployment)
    assert title == "done: POST PATCH POST read"
    assert "touch pwned" in str(steps)
    assert runs


def test_a_page_of_another_site_can_do_nothing_with_prefect(prefect: Settings, tmp_path: Path) -> None:
    with services.prefect_client(prefect) as client:
        deployment = a_deployment(client)
        title = attack_from_a_page(prefect, deployment, tmp_path)
        steps = client.get(f"/deployments/{deployment}").raise_for_status().json()["pull_steps"]
        runs = runs_of(client, deployment)
    assert title == "done:"
    assert not steps
    assert runs == []


def test_prefect_answers_nobody_without_the_password(prefect: Settings) -> None:
    login = (SERVICE_USER, prefect.secret("prefect_password"))
    with httpx.Client(base_url=f"{services.prefect(prefect)}/api") as stranger:
        for path in ("/admin/settings", "/admin/version", "/deployments/x", "/variables/name/health"):
            assert stranger.get(path).status_code == 401, path
            assert stranger.get(path, auth=(SERVICE_USER, "a guess")).status_code == 401, path
            assert stranger.get(path, headers={"Host": "evil.example"}).status_code == 401, path
        assert stranger.get("/admin/version", auth=login).status_code == 200
        assert stranger.post("/flows/filter", json={}, auth=login).status_code == 403, "no token"
        headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PATCH"}
        assert stranger.options("/deployments/x", headers=headers).status_code == 400
        answer = stranger.get("/admin/version", auth=login, headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert prefect.secret("prefect_password") not in stranger.get("/admin/settings", auth=login).text


def test_mlflow_answers_nobody_without_the_password_and_no_other_site(own: Settings) -> None:
    at = f"http://127.0.0.1:{own.mlflow_port}"
    login = (SERVICE_USER, own.secret("mlflow_password"))
    search = "/api/2.0/mlflow/experiments/search"
    with stack.running(own, "mlflow") as processes:
        processes["mlflow"].wait_until_ready(f"{at}/health")
        with httpx.Client(base_url=at) as client:
            for path in (
                "/",
                "/version",
                search,
                f"/ajax-api/2.0{search[8:]}",
                "/get-artifact?path=x",
            ):
                assert client.get(path).status_code == 401, path
                assert client.get(path, auth=(SERVICE_USER, "a guess")).status_code == 401, path
            body = {"max_results": 1}
            assert client.post(search, json=body).status_code == 401
            assert client.post(search, json=body, auth=login).status_code == 200
            evil = {"Origin": "http://evil.example"}
            create = "/api/2.0/mlflow/experiments/create"
            made = client.post(create, json={"name": "forged"}, auth=login, headers=evil)
            assert made.status_code == 403
            assert client.get("/", auth=login, headers={"Host": "evil.example"}).status_code == 403


def test_mlflows_password_follows_a_rotation(own: Settings) -> None:
    new = own.model_copy(update={"mlflow_password": own.metrics_token})
    at = f"http://127.0.0.1:{own.mlflow_port}"
    with stack.running(new, "mlflow") as processes:
        processes["mlflow"].wait_until_ready(f"{at}/health")
        former, current = own.secret("mlflow_password"), new.secret("mlflow_password")
        assert httpx.get(f"{at}/", auth=(SERVICE_USER, former)).status_code == 401
        assert httpx.get(f"{at}/", auth=(SERVICE_USER, current)).status_code == 200
