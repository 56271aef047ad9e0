"""What holds for each object of the rendered chart, beyond its schema: how pods are confined, probed and
stopped, which secrets they get, and that nobody can call them unless a policy says so.

Documents are what YAML has: dictionaries as the chart renders them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from deploy.catalog import ROOT

CHART = ROOT / "deploy" / "chart"
Document = Mapping[str, Any]

_WORKLOADS = ("Deployment", "StatefulSet", "Rollout", "Job")
_ENDLESS = ("Deployment", "StatefulSet", "Rollout")
_GRACE_S = 25  # docs/images.md
_SECRET = re.compile(r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|KEY|CREDENTIALS?|DSN)S?(_|$)|AUTH_STRING$")
_WHERE_IT_IS = re.compile(r"_API_AUTH_STRING_SECRET_(NAME|KEY)$")  # by which Prefect's worker finds its own
_URL_WITH_PASSWORD = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
_COMPONENT = "app.kubernetes.io/component"


def table() -> dict[str, Any]:
    """The chart's table of processes and jobs."""
    content: dict[str, Any] = yaml.safe_load((CHART / "processes.yaml").read_text(encoding="utf-8"))
    return content


def component_of(document: Document) -> str:
    """Which process an object is for."""
    return str(document["metadata"].get("labels", {}).get(_COMPONENT, ""))


def faults(documents: Sequence[Document]) -> list[str]:
    """What is wrong with the objects of a rendering, a sentence each."""
    sentences = [f"{_title(document)}: {fault}" for document in documents for fault in _of_object(document)]
    workloads = [document for document in documents if document["kind"] in _WORKLOADS]
    for document in workloads:
        spec = document["spec"]["template"]["spec"]
        sentences += [f"{_title(document)}: {fault}" for fault in _of_pod(spec, component_of(document))]
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            name = f"{_title(document)}, {container['name']}"
            sentences += [f"{name}: {fault}" for fault in _of_container(container, spec)]
        sentences += [f"{_title(document)}: {fault}" for fault in _of_secrets(document)]
    return [*sentences, *_of_all(documents, workloads)]


def _title(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def _of_object(document: Document) -> Iterator[str]:
    if document["kind"] == "Secret":
        yield "the chart contains no secret; refer to one that exists"
    if len(document["metadata"]["name"]) > 63:
        yield "the name has more than 63 characters"
    if document["kind"] == "HorizontalPodAutoscaler":
        resources = {metric["resource"]["name"] for metric in document["spec"]["metrics"]}
        if document["apiVersion"] != "autoscaling/v2" or resources != {"cpu", "memory"}:
            yield "it scales by CPU and by memory, with autoscaling/v2"
    if document["kind"] == "Deployment":
        strategy = document["spec"].get("strategy", {})
        rolling = strategy.get("rollingUpdate", {})
        if strategy.get("type") != "Recreate" and rolling.get("maxUnavailable") != 0:
            yield "an update takes pods away before others are ready: maxUnavailable is not 0"


def _of_pod(spec: Document, component: str) -> Iterator[str]:
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "the pod may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not (component in table()["workers"]):
        yield "the pod gets a token of Kubernetes' API, which it does not call, or calls it without one"
    if spec.get("enableServiceLinks") is not False:
        yield "links to services set variables such as TONEBRIDGE_GATEWAY_PORT to an address"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is on"
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"the volume {volume['name']} is a folder of the node"


def _of_container(container: Document, spec: Document) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "it runs as root"
    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
        yield "it may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "its root is writable"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
        yield "it has capabilities"
    for kind in ("requests", "limits"):
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get(kind, {})):
            yield f"its {kind} name no CPU or no memory"
    if container.get("ports"):
        for probe in ("livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"it has a port and no {probe}"
        if "preStop" in container.get("lifecycle", {}) and spec["terminationGracePeriodSeconds"] < _GRACE_S:
            yield f"it gets less than {_GRACE_S} s to end"
    for variable in container.get("env", ()):
        value = str(variable.get("value", ""))
        is_secret = _SECRET.search(variable["name"]) and not _WHERE_IT_IS.search(variable["name"])
        if value and (is_secret or _URL_WITH_PASSWORD.search(value)):
            yield f"{variable['name']} has its secret in the chart"


def _of_secrets(document: Document) -> Iterator[str]:
    """Each process of the table gets the keys that stand there."""
    rows = table()
    row = {**rows["processes"], **rows["workers"], **rows["jobs"]}.get(component_of(document))
    if row is None:  # a store, or vLLM
        return
    [container] = document["spec"]["template"]["spec"]["containers"]
    given = [
        variable["valueFrom"]["secretKeyRef"]["key"]
        for variable in container.get("env", ())
        if "valueFrom" in variable
    ]
    expected = [key for keys in row["secrets"].values() for key in keys]
    if sorted(given) != sorted(expected):
        yield f"it gets the secrets {sorted(set(given) ^ set(expected))} against processes.yaml"


def _of_all(documents: Iterable[Document], workloads: Iterable[Document]) -> Iterator[str]:
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    confining = [
        selected
        for policy in policies
        if _COMPONENT in (selected := policy["spec"]["podSelector"]["matchLabels"])
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    ]
    budgets = {component_of(each) for each in documents if each["kind"] == "PodDisruptionBudget"}
    scaled = {component_of(each) for each in documents if each["kind"] == "HorizontalPodAutoscaler"}
    for document in workloads:
        component = component_of(document)
        labels = document["spec"]["template"]["metadata"]["labels"].items()
        if not any(selected.items() <= labels for selected in confining):
            yield f"{_title(document)}: no network policy names its pods"
        several = component in scaled or document["spec"].get("replicas", 1) > 1
        if document["kind"] in _ENDLESS and several and component not in budgets:
            yield f"{_title(document)}: several pods, and no budget for disruptions"
    if not any(_COMPONENT not in policy["spec"]["podSelector"]["matchLabels"] for policy in policies):
        yield "no network policy denies what no other allows"
