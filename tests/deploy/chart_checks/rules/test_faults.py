"""The rules for rendered objects: each of them finds what it is for."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from deploy.chart_checks.rules import faults, table

Document = dict[str, Any]


def labels(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/component": component}


def a_policy(component: str | None) -> Document:
    chosen = labels(component) if component else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"policy-{component}", "labels": chosen},
        "spec": {"podSelector": {"matchLabels": chosen}, "policyTypes": ["Ingress", "Egress"]},
    }


def a_container() -> Document:
    keys = [key for keys in table()["processes"]["web"]["secrets"].values() for key in keys]
    amounts = {"cpu": "1", "memory": "1Gi"}
    return {
        "name": "web",
        "env": [
            {"name": "TONEBRIDGE_GATEWAY_URL", "value": "http://gateway:8080"},
            *({"name": key, "valueFrom": {"secretKeyRef": {"name": "a", "key": key}}} for key in keys),
        ],
        "ports": [{"containerPort": 8070}],
        "livenessProbe": {},
        "readinessProbe": {},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def a_deployment() -> Document:
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 35,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [a_container()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": labels("web")},
        "spec": {
            "replicas": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels("web")}, "spec": pod},
        },
    }


def a_rendering() -> list[Document]:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "labels": labels("web")},
    }
    return [a_deployment(), budget, a_policy("web"), a_policy(None)]


def pod(documents: list[Document]) -> Document:
    return documents[0]["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def container(documents: list[Document]) -> Document:
    return pod(documents)["containers"][0]  # type: ignore[no-any-return]


def test_a_good_rendering_has_no_fault() -> None:
    assert faults(a_rendering()) == []


def secret_by_value(documents: list[Document]) -> None:
    container(documents)["env"][1] = {"name": container(documents)["env"][1]["name"], "value": "a secret"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: pod(d)["securityContext"].pop("runAsNonRoot"), "may run as root"),
        (lambda d: pod(d)["securityContext"].update(runAsUser=0), "may run as root"),
        (lambda d: container(d)["securityContext"].update(runAsUser=0), "runs as root"),
        (lambda d: container(d)["securityContext"].update(privileged=True), "gain privileges"),
        (lambda d: container(d)["securityContext"].pop("readOnlyRootFilesystem"), "root is writable"),
        (lambda d: container(d)["securityContext"].pop("capabilities"), "has capabilities"),
        (lambda d: pod(d)["securityContext"].pop("seccompProfile"), "no seccomp profile"),
        (lambda d: pod(d).pop("automountServiceAccountToken"), "gets a token"),
        (lambda d: pod(d).update(automountServiceAccountToken=True), "gets a token"),
        (lambda d: d[0]["metadata"].update(labels=labels("flows-worker")), "calls it without one"),
        (lambda d: pod(d).update(initContainers=[{"name": "first"}]), "web, first: its root is writable"),
        (lambda d: pod(d).pop("enableServiceLinks"), "links to services"),
        (lambda d: pod(d).update(hostNetwork=True), "hostNetwork is on"),
        (lambda d: pod(d).update(volumes=[{"name": "v", "hostPath": {}}]), "folder of the node"),
        (lambda d: pod(d).update(terminationGracePeriodSeconds=10), "less than 25 s"),
        (lambda d: container(d).pop("livenessProbe"), "no livenessProbe"),
        (lambda d: container(d).pop("readinessProbe"), "no readinessProbe"),
        (lambda d: container(d)["resources"].pop("limits"), "its limits name no"),
        (secret_by_value, "has its secret in the chart"),
        (lambda d: container(d)["env"][0].update(value="http://a:b@c"), "has its secret in the chart"),
        (lambda d: container(d)["env"].pop(), "against processes.yaml"),
        (lambda d: d.append({"kind": "Secret", "metadata": {"name": "s"}}), "the chart contains no secret"),
        (lambda d: d[0]["metadata"].update(name="w" * 64), "more than 63 characters"),
        (lambda d: d[0]["spec"]["strategy"].update(rollingUpdate={}), "maxUnavailable is not 0"),
        (lambda d: d.pop(1), "no budget for disruptions"),
        (lambda d: d.pop(2), "no network policy names its pods"),
        (
            lambda d: d[2]["spec"]["podSelector"].update(matchLabels={**labels("web"), "of": "others"}),
            "no network policy names its pods",
        ),
        (lambda d: d.pop(3), "no network policy denies"),
    ],
)  # fmt: skip
def test_a_fault_is_found(change: Callable[[list[Document]], object], fault: str) -> None:
    documents = copy.deepcopy(a_rendering())
    change(documents)
    found = faults(documents)
    assert [each for each in found if fault in each] != [], found
