"""The check of the rendered chart: it fails on broken templates, of which each test renders a copy."""

import shutil
from pathlib import Path

import pytest

from deploy.chart_checks import check, tools
from deploy.chart_checks.check import as_native
from deploy.chart_checks.rules import CHART

HELPERS, ISTIO, SCALING = "templates/_helpers.tpl", "templates/istio.yaml", "templates/scaling.yaml"
POOLS = "templates/work-pools.yaml"


def test_a_rollout_is_checked_as_a_deployment() -> None:
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "spec": {"strategy": {}, "template": 1},
    }
    assert as_native(rollout) == {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": 1}}
    service = {"apiVersion": "v1", "kind": "Service"}
    assert as_native(service) == service


@pytest.mark.long  # it installs the programs and renders
@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(HELPERS, "", "", "", id="nothing"),
        pytest.param(SCALING, "minReplicas:", "minReplica:", "minReplica", id="a wrong key"),
        pytest.param(HELPERS, "readinessProbe:", "readyProbe:", "no readinessProbe", id="no probe"),
        pytest.param(HELPERS, "runAsUser: 65532", "runAsUser: 0", "may run as root", id="root"),
        pytest.param(
            HELPERS,
            "- name: {{ $key }}\n",
            "- name: {{ $key }}\n  value: a-secret\n",
            "has its secret in the chart",
            id="a secret by value",
        ),
        pytest.param(ISTIO, "retryOn:", "retryOnly:", "retryOnly", id="a wrong key of Istio's"),
        pytest.param(ISTIO, "attempts: 2", "attempts: two", "attempts", id="a wrong value of Istio's"),
        pytest.param(ISTIO, "{{- if eq .Values.mesh", "{{- if eq .Value.mesh", "helm", id="a template"),
    ],
)  # fmt: skip
def test_a_broken_template_is_found(tmp_path: Path, file: str, old: str, new: str, fault: str) -> None:
    look_for(fault, break_chart(tmp_path, file, old, new), "istio-rollout")


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(POOLS, "", "", "", id="nothing"),
        pytest.param(POOLS, '"labels" $labels "namespace"', '"namespace"', "no network policy", id="labels"),
        pytest.param(POOLS, ' "backoffLimit" 0', ' "backofLimit" 0', "backofLimit", id="a key of a Job"),
        pytest.param(
            POOLS, '"automountServiceAccountToken" true', '"dnsPolicy" "Default"', "without one", id="token"
        ),
        pytest.param(POOLS, "apiGroups: [batch]", "apiGroup: [batch]", "apiGroup", id="a key of a Role"),
        pytest.param(HELPERS, "runAsNonRoot: true", "runAsNonRoot: false", "training-run", id="root"),
    ],
)  # fmt: skip
def test_a_broken_template_of_work_pools_is_found(
    tmp_path: Path, file: str, old: str, new: str, fault: str
) -> None:
    look_for(fault, break_chart(tmp_path, file, old, new), "work-pools")


def break_chart(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the chart in which a text of a file is another one."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / file).read_text(encoding="utf-8")
    assert old in text
    (chart / file).write_text(text.replace(old, new), encoding="utf-8")
    return chart


def look_for(fault: str, chart: Path, values: str) -> None:
    """Check a chart with a file of values: it has the fault, or without one none."""
    faults = check.check(tools.prepare(), chart, [chart / "ci" / f"{values}.yaml"])
    if fault:
        assert [each for each in faults if fault in each] != [], faults
    else:
        assert faults == []
