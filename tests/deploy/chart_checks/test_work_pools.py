"""Prefect's own worker, with the template and the environment of the chart, against a server that answers for
Kubernetes: it may do what it needs, and the Job that it sends has no secret in it.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.states import Cancelling

from configs.settings import Settings
from deploy.chart_checks import check, tools
from deploy.chart_checks.rules import CHART, Document, component_of
from deploy.chart_checks.work_pools import make_job
from pipelines import deployments, local
from pipelines.environments import environment, prefect_login
from pipelines.local import Process
from tests.flows import flows_led_to
from tests.ports import free_port, with_own_ports

NAMESPACE = "tonebridge"
_CANCELLING_TIMEOUT = "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS"
VERBS = {"GET": "get", "POST": "create", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}


def test_a_job_has_the_labels_by_which_policies_know_it() -> None:
    """Prefect puts its own `app.kubernetes.io/name` over that of the manifest."""
    labels = {"app.kubernetes.io/name": "tonebridge", "app.kubernetes.io/component": "flow-run"}
    pod = {
        "parallelism": 1,
        "completions": 1,
        "restartPolicy": "Never",
        "containers": [{"name": "prefect-job", "image": "flows", "command": ["prefect"], "args": []}],
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "{{ name }}-", "labels": labels, "annotations": {}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    configuration = {"name": "{{ name }}", "labels": labels, "namespace": "here", "job_manifest": manifest}
    template = {"variables": {"properties": {"name": {"type": "string"}}}, "job_configuration": configuration}
    job = make_job(template, "training")
    assert job["metadata"]["namespace"] == "here"
    of_pod = job["spec"]["template"]["metadata"]["labels"]
    assert of_pod.items() >= labels.items()
    assert of_pod["prefect.io/flow-run-name"] == "training-run"
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["prefect"], [])
    # A pod that is taken away, as when its node is drained, gives its run back.
    sent = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert sent["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"


class Kubernetes(ThreadingHTTPServer):
    """Answers for Kubernetes' API: it has no pods, takes Jobs, and allows what a Role allows."""

    daemon_threads = True

    def __init__(self, role: Document) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rules = role["rules"]
        self.jobs: list[Document] = []
        self.deleted: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        self.refused: set[str] = set()
        self.is_closing = threading.Event()

    def allows(self, verb: str, group: str, resource: str) -> bool:
        return any(
            verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"]
            for rule in self.rules
        )


class _Handler(BaseHTTPRequestHandler):
    server: Kubernetes

    def log_message(self, *_: object) -> None:
        """The list of what was asked is kept by the server."""

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        known = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": [_group("batch")]},
            "/apis/batch": _group("batch"),
            "/api/v1": _resources("v1", {"pods": "Pod", "namespaces": "Namespace", "events": "Event"}),
            "/apis/batch/v1": _resources("batch/v1", {"jobs": "Job"}),
            "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        }
        if self.command == "GET" and parts.path in known:  # whoever is signed in may see these
            self.answer(200, known[parts.path])
            return
        for group, prefix in (("", "/api/v1"), ("batch", "/apis/batch/v1")):
            place = f"{prefix}/namespaces/{NAMESPACE}/"
            if parts.path.startswith(place):
                resource, _, name = parts.path.removeprefix(place).partition("/")
                self.handle_resource(group, resource, name, parse_qs(parts.query), body)
                return
        self.server.refused.add(f"{self.command} {self.path}")
        self.answer(403, {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"})

    def handle_resource(
        self, group: str, resource: str, name: str, query: dict[str, list[str]], body: Any
    ) -> None:
        verb = VERBS[self.command]
        if verb == "get" and not name:
            verb = "watch" if "watch" in query else "list"
        self.server.asked.add((verb, resource))
        if not self.server.allows(verb, group, resource):
            self.server.refused.add(f"{verb} {resource}")
            self.answer(403, {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"})
        elif verb == "list":
            kind = {"pods": "PodList", "jobs": "JobList"}[resource]
            self.answer(200, {"kind": kind, "metadata": {"resourceVersion": "1"}, "items": []})
        elif verb == "watch":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.server.is_closing.wait()
        elif verb == "create":
            made = {**body, "metadata": {**body["metadata"], "name": "made", "uid": "1"}}
            self.server.jobs.append(body)
            self.answer(201, made)
        elif verb == "delete":
            self.server.deleted.append(name)
            self.answer(200, {"kind": "Status", "status": "Success"})
        else:
            self.answer(404, {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"})

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = handle_any


def _group(name: str) -> Document:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"kind": "APIGroup", "name": name, "versions": [version], "preferredVersion": version}


def _resources(version: str, kinds: dict[str, str]) -> Document:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    resources = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": kind != "Namespace",
            "kind": kind,
            "verbs": verbs,
        }
        for plural, kind in kinds.items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


@contextmanager
def answering(role: Document, folder: Path) -> Iterator[tuple[Kubernetes, Path]]:
    """The server, and a file by which its client finds it."""
    with Kubernetes(role) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = folder / "kubeconfig"
        cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "it",
                    "clusters": [{"name": "it", "cluster": cluster}],
                    "users": [{"name": "it", "user": {"token": "of-the-service-account"}}],
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                }
            )
        )
        try:
            yield server, file
        finally:
            server.is_closing.set()
            server.shutdown()


@pytest.fixture(scope="module")
def rendering() -> list[dict[str, Any]]:
    return check.render(tools.prepare(), CHART, CHART / "ci" / "work-pools.yaml")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Postgres and Prefect, and an environment that leads this process's flows to them."""
    state = tmp_path_factory.mktemp("state")
    wanted = Settings(state=state, artifacts=state, database_url=None, redis_url=None, mlflow_uri=None)
    with pytest.MonkeyPatch.context() as patch, local.servers(with_own_ports(wanted)) as settings:
        # A worker deletes the Job of a cancelled run that does not end in so many seconds; 300 by default.
        patch.setenv(_CANCELLING_TIMEOUT, "2")
        with (
            local.running(settings, "prefect") as processes,
            flows_led_to(settings, processes["prefect"]),
        ):
            yield settings


def find(rendering: list[dict[str, Any]], kind: str, component: str) -> dict[str, Any]:
    [document] = [each for each in rendering if (each["kind"], component_of(each)) == (kind, component)]
    return document


@pytest.mark.long  # it installs Helm and renders
@pytest.mark.timeout(600)
def test_a_worker_starts_a_job_with_the_rights_and_the_environment_of_the_chart(
    rendering: list[dict[str, Any]], stack: Settings, tmp_path: Path
) -> None:
    for name, text in find(rendering, "ConfigMap", "work-pools")["data"].items():
        (tmp_path / name).write_text(text)
    pod = find(rendering, "Deployment", "training-worker")["spec"]["template"]["spec"]
    [init], [container] = pod["initContainers"], pod["containers"]
    plain = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    by_reference = {each["name"] for each in container["env"] if "valueFrom" in each}
    assert by_reference == {"PREFECT_API_AUTH_STRING"}
    of_the_machine = {
        name: value for name, value in environment(stack).items() if name in ("PATH", "PYTHONPATH")
    }
    port = free_port()
    env = {
        **of_the_machine,
        **plain,
        "HOME": str(tmp_path),
        "PREFECT_API_URL": f"http://127.0.0.1:{stack.prefect_port}/api",
        "PREFECT_API_AUTH_STRING": prefect_login(stack),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),  # 8080 may be taken here
    }
    made = Process(
        "pool",
        [word.replace("/work-pools", str(tmp_path)) for word in init["command"]],
        env,
        tmp_path / "pool.log",
    )
    wait_for(lambda: made.exit_code is not None, made.log)
    assert made.exit_code == 0, made.log.read_text()

    pool = plain["TONEBRIDGE_TRAINING_POOL"]
    pooled = stack.model_copy(update={"training_pool": pool})
    [training] = [each for each in deployments.list_deployments(pooled) if each.work_pool_name == pool]
    deployments.register([training])
    with answering(find(rendering, "Role", "work-pools"), tmp_path) as (kubernetes, kubeconfig):
        words = [word.replace("$(TONEBRIDGE_TRAINING_POOL)", pool) for word in container["command"]]
        worker = Process("worker", words, {**env, "KUBECONFIG": str(kubeconfig)}, tmp_path / "worker.log")
        try:
            worker.wait_until_ready(
                f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}"
            )
            with get_client(sync_client=True) as client:
                id = client.read_deployment_by_name("train/on-snapshot").id
                # Who may start runs chooses no image.
                run = client.create_flow_run_from_deployment(id, job_variables={"image": "of-a-stranger"})
                wait_for(lambda: kubernetes.jobs, worker.log)
                wait_for(lambda: client.read_flow_run(run.id).infrastructure_pid, worker.log)
                client.set_flow_run_state(run.id, Cancelling())
                wait_for(lambda: kubernetes.deleted == ["made"], worker.log)
                wait_for(lambda: {("watch", "jobs"), ("watch", "pods")} <= kubernetes.asked, worker.log)
        finally:
            worker.stop()
    assert kubernetes.refused == set()
    [job] = kubernetes.jobs
    text = json.dumps(job)
    assert prefect_login(stack) not in text
    assert stack.secret("prefect_password") not in text
    [sent] = job["spec"]["template"]["spec"]["containers"]
    assert sent["image"] == container["image"], "the one of the flows"
    assert (sent["command"], sent["args"]) == (["prefect", "flow-run", "execute"], [])
    [login] = [each for each in sent["env"] if each["name"] == "PREFECT_API_AUTH_STRING"]
    where = {"name": "tonebridge-prefect", "key": "PREFECT_API_AUTH_STRING"}
    assert login["valueFrom"]["secretKeyRef"] == where
    spec = job["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"node.kubernetes.io/instance-type": "g5.2xlarge"}
    assert sent["resources"]["limits"]["nvidia.com/gpu"] == "1"
    [of_flows] = json.loads((tmp_path / "flows.json").read_text())["job_configuration"]["job_manifest"][
        "spec"
    ]["template"]["spec"]["containers"]
    assert "nvidia.com/gpu" not in of_flows["resources"]["limits"]


def wait_for(is_so: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
