"""Prometheus scrapes a real installation under load: every panel and every rule finds its series.

Prometheus' configuration is the shipped one, with other addresses, and with seconds in place of minutes.
"""

import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from sqlalchemy import text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.jobs import config
from data.records import Spec
from data.tables import Job, Organisation, Usage, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from deploy.monitoring import FOLDER
from deploy.monitoring.dashboards import PAGES
from models.export import export
from pipelines import local
from serving.dashboard import services
from serving.inference import release
from tests.dashboards import Installation, own_settings, set_up
from tests.ports import free_port
from tests.serving.dashboard import rows

pytestmark = pytest.mark.long

PROCESSES = ("gateway", "worker", "dashboard", "web", "channels", "prefect")
TALKATIVE = Spec(version="talkative", engine="transformers", max_new_tokens=24)  # its drafts have pieces
# Series that exist only when something fails, or on another machine than this one.
ABSENT = {
    "tonebridge_failed_rewrites_total": "no version has failed",
    'tonebridge_http_request_seconds_count{status=~"5.."}': "no site has failed",
    "probe_ssl_earliest_cert_expiry": "the addresses here have no certificate",
}


class Monitored(NamedTuple):
    """An installation that Prometheus watches."""

    installation: Installation
    prometheus: str  # its address

    def query(self, expression: str) -> list[Any]:
        """The series of an expression now, those that are no number left out."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}, timeout=30)
        assert answer.status_code == 200, (expression, answer.text)
        found = answer.json()["data"]["result"]
        return [series for series in found if series["value"][1] != "NaN"]


def program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"there is no {name}: apt install {package}")
    return path


@pytest.fixture(scope="module")
def monitored(
    stack: Settings,
    new_database: Callable[..., str],
    build_tiny: Callable[..., Path],
    tiny_texts: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Monitored]:
    """All processes, three exporters and Prometheus."""
    folder = tmp_path_factory.mktemp("monitored")
    own = own_settings(stack, new_database(), folder).model_copy(
        update={"inference_urls": stack.inference_urls, "inference_port": stack.inference_port}
    )
    base = build_tiny(folder / "base", tiny_texts, seed=3, spread=0.5)
    release.publish(export(base, None, folder / "version", "float32"), "talkative", stack)
    installation = set_up(own)
    rows.fill(installation)
    _fill(installation)
    with ExitStack() as opened:
        processes = opened.enter_context(local.running(own, *PROCESSES))
        exporters = {"node": free_port(), "postgres": free_port(), "blackbox": free_port()}
        commands = {
            "node": [program("prometheus-node-exporter", "prometheus-node-exporter")],
            "postgres": [program("prometheus-postgres-exporter", "prometheus-postgres-exporter")],
            "blackbox": [
                program("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
                f"--config.file={_blackbox(folder)}",
            ],
        }
        for name, command in commands.items():
            environment = {"DATA_SOURCE_NAME": str(own.database_url)} if name == "postgres" else {}
            address = f"--web.listen-address=127.0.0.1:{exporters[name]}"
            exporter = local.Process(name, [*command, address], environment, folder / f"{name}.log")
            opened.callback(exporter.stop)
        port = free_port()
        configuration = _configure(folder, own, exporters, port)
        prometheus = local.Process(
            "prometheus",
            [
                program("prometheus", "prometheus"), f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
            ],
            {}, folder / "prometheus.log",
        )  # fmt: skip
        opened.callback(prometheus.stop)
        url = f"http://127.0.0.1:{port}"
        prometheus.wait_until_ready(f"{url}/-/ready")
        processes["gateway"].wait_until_ready(f"{own.gateway_url}/readyz")
        for name in ("web", "dashboard", "channels", "worker"):
            processes[name].wait_until_ready(f"http://127.0.0.1:{getattr(own, f'{name}_port')}/livez")
        processes["prefect"].wait_until_ready(f"{services.prefect(own)}/api/health", 180)
        _run_flows(own)
        yield Monitored(installation, url)
    installation.engine.dispose()


def _fill(installation: Installation) -> None:
    """An arm of the running experiment cannot answer; an organisation has a quota; a job is to die."""
    split_id = uuid.UUID(int=0)
    with Session(installation.engine) as session, session.begin():
        split_id = session.execute(text("SELECT id FROM experiments WHERE status = 'running'")).scalar_one()
        arms = (
            Arm(name="v1", weight=0.5, spec=TALKATIVE),
            Arm(name="v3", weight=0.5, spec=Spec(version="v3")),
        )
        split = Split(experiment_id=split_id, salt="s", arms=arms, ramp=1.0)
        routing.publish(session, Routing(champion=TALKATIVE, experiments=(split,)), "a test")
        tenant = Organisation(name=str(uuid.uuid4()))
        session.add(tenant)
        session.flush()
        month = datetime.now(UTC).date().replace(day=1)
        session.add(Usage(organisation_id=tenant.id, month=month, answers=90, quota=100))
        session.add(
            Job(
                id=new_id(), organisation_id=installation.organisation_id, kind="rewrite", payload={},
                key=str(uuid.uuid4()), state="waiting", attempts=config.load().most_attempts,
                requested_by="account:x",
            )
        )  # fmt: skip


def _run_flows(settings: Settings) -> None:
    """Runs that have completed and failed, as Prefect knows them."""
    with services.prefect_client(settings) as prefect:
        for flow, state in (("experiment", "COMPLETED"), ("collect", "COMPLETED"), ("train", "FAILED")):
            id = prefect.post("/flows/", json={"name": flow}).raise_for_status().json()["id"]
            run = {"flow_id": id, "state": {"type": state, "name": state.capitalize()}}
            prefect.post("/flow_runs/", json=run).raise_for_status()


def _blackbox(folder: Path) -> Path:
    file = folder / "blackbox.yml"
    file.write_text(yaml.safe_dump({"modules": {"http_2xx": {"prober": "http"}}}))
    return file


def _configure(folder: Path, settings: Settings, exporters: dict[str, int], port: int) -> Path:
    """The shipped configuration with the addresses of this installation, and with seconds for minutes."""
    shipped = (FOLDER / "prometheus.yml").read_text()
    token = folder / "token"
    token.write_text(settings.secret("metrics_token"))
    changes = {
        "/run/secrets/metrics_token": str(token),
        "gateway:8080": f"127.0.0.1:{settings.gateway_port}",
        "inference:3000": f"127.0.0.1:{settings.inference_port}",
        "worker:8050": f"127.0.0.1:{settings.worker_port}",
        "dashboard:8090": f"127.0.0.1:{settings.dashboard_port}",
        "web:8070": f"127.0.0.1:{settings.web_port}",
        "channels:8060": f"127.0.0.1:{settings.channels_port}",
        "localhost:9090": f"127.0.0.1:{port}",
        "node:9100": f"127.0.0.1:{exporters['node']}",
        "postgres-exporter:9187": f"127.0.0.1:{exporters['postgres']}",
        "blackbox:9115": f"127.0.0.1:{exporters['blackbox']}",
        "https://tone.example.com/livez": f"http://127.0.0.1:{settings.gateway_port}/livez",
        "https://write.example.com/livez": f"http://127.0.0.1:{settings.web_port}/livez",
        "_interval: 15s": "_interval: 2s",
        "scrape_timeout: 10s": "scrape_timeout: 2s",
    }
    for old, new in changes.items():
        assert old in shipped, old
        shipped = shipped.replace(old, new)
    (folder / "rules").mkdir()
    for rules in (FOLDER / "rules").glob("*.yml"):
        (folder / "rules" / rules.name).write_text(rules.read_text().replace("interval: 5m", "interval: 2s"))
    file = folder / "prometheus.yml"
    file.write_text(shipped)
    return file


def _load(monitored: Monitored) -> None:
    """Hits, misses, repeated and refused requests, streams, a batch, a vote, pages, and no pages."""
    installation = monitored.installation
    settings = installation.settings
    key = {"X-API-Key": installation.key}
    with httpx.Client(base_url=settings.gateway_url, headers=key, timeout=60) as client:

        def ask(message: str, **headers: str) -> httpx.Response:
            body = {
                "text": message,
                "transform_type": "soften",
                "intensity": 2,
                "user_id": f"u{len(message)}",
            }
            return client.post("/api/v1/transform", json=body, headers=headers)

        receipt = ask("Fix the login page.").json()["receipt"]
        for number in range(4):
            assert ask("Fix the login page.").status_code == 200
            assert ask(f"Fix the page {uuid.uuid4()} {'x' * number}").status_code == 200
            assert ask("Fix it now.", **{"Idempotency-Key": "once"}).status_code == 200
            assert ask(f"Tell them {uuid.uuid4()}.", Accept="text/event-stream").status_code == 200
        vote = {"receipt": receipt, "kind": "thumb", "up": True}
        assert client.post("/api/v1/feedback", json=vote).status_code == 201
        message = {"text": f"Fix {uuid.uuid4()}.", "transform_type": "soften", "intensity": 1}
        batch = client.post("/api/v1/jobs/batches", json={"items": [{**message, "user_id": "ann"}]})
        assert batch.status_code == 202, batch.text
        assert client.get("/nothing").status_code == 404
        assert httpx.post(f"{settings.gateway_url}/api/v1/transform", json={}).status_code in (401, 422)
    for port in (settings.web_port, settings.dashboard_port, settings.channels_port):
        for path in ("/sign-in", "/nothing"):
            httpx.get(f"http://127.0.0.1:{port}{path}")


def _panels() -> dict[str, str]:
    """All expressions of panels, as Grafana would send them."""
    return {
        f"{page.name}: {panel.title} {legend}": expression.replace("$instance", ".*").replace(
            "$__rate_interval", "30s"
        )
        for page in PAGES
        for panel in page.panels
        for legend, expression in panel.expressions.items()
    }


def _rules() -> dict[str, str]:
    """All recording rules, and of each alert the series that it looks at."""
    expressions: dict[str, str] = {}
    for file in ("levels.yml", "alerts.yml"):
        for group in yaml.safe_load((FOLDER / "rules" / file).read_text())["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    expressions[f"{rule['record']} {rule.get('labels', '')}"] = rule["expr"]
                    continue
                for selector in re.findall(
                    r"[a-z][\w]*(?:[:_][\w:]+)(?:\{[^}]*\})?|\bup\{[^}]*\}", rule["expr"]
                ):
                    if not selector.startswith(_FUNCTIONS):
                        expressions[f"{rule['alert']}: {selector}"] = selector
    return expressions


_FUNCTIONS = ("predict_linear", "avg_over_time", "histogram_quantile")


def test_every_panel_and_every_rule_finds_its_series_under_load(monitored: Monitored) -> None:
    wanted = {
        name: expression for name, expression in {**_panels(), **_rules()}.items() if expression not in ABSENT
    }
    missing = wanted
    deadline = time.monotonic() + 90
    while missing and time.monotonic() < deadline:
        _load(monitored)
        missing = {name: query for name, query in missing.items() if not monitored.query(query)}
    assert missing == {}
    targets = httpx.get(f"{monitored.prometheus}/api/v1/targets").json()["data"]["activeTargets"]
    assert {target["health"] for target in targets} == {"up"}, json.dumps(targets, indent=1)
    [dead] = monitored.query('max by (kind) (tonebridge_jobs{kind="rewrite",state="dead"})')
    assert dead["value"][1] == "1"
    for selector in ABSENT:
        assert not monitored.query(selector), "it is not absent any more: take it off the list"
