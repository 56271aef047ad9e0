"""The command that the workflows call: with programs that stand for Helm, and with the real ones."""

import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.catalog import IMAGES
from deploy.chart_checks import tools
from deploy.chart_checks.rules import CHART
from deploy.delivery import access
from deploy.delivery.__main__ import main, read_digests

if TYPE_CHECKING:
    from tests.deploy.delivery.conftest import ApiServer, Cluster, TokenServer

DIGESTS = {name: f"sha256:{str(len(name)) * 64}" for name in IMAGES}
VALUES = "postgres: {bundled: true}\nredis: {bundled: true}\ndelivery: rollout\nrollout: {prometheus: 'http://prom:9090'}\n"
DEPLOY = ["deploy", "--repository", "Ann/Tone", "--digests", json.dumps(DIGESTS), f"--values={VALUES}"]
PLACE = ["--namespace", "chats", "--audience", "tonebridge-staging"]


@pytest.mark.parametrize("digests", [{}, {**DIGESTS, "other": "sha256:1"}, dict(list(DIGESTS.items())[1:])])
def test_a_release_has_all_images(digests: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give those of gateway, inference, channels, site, flows"):
        read_digests(json.dumps(digests))


PLACES = ["--server=https://cluster.example.com", "--authority=-----BEGIN"]


def test_programs_are_given_a_kubeconfig_that_is_gone_afterwards(cluster: "Cluster") -> None:
    cluster.installation()
    main(["rollback", *PLACE, *PLACES])
    assert cluster.changes() == ["helm rollback tonebridge 2"]
    config = access.kubeconfig("https://cluster.example.com", "-----BEGIN", "tonebridge-staging", "chats")
    assert json.loads((cluster.folder / "kubeconfig-seen").read_text()) == config
    [used] = {call[call.index("--kubeconfig") + 1] for call in cluster.calls()}
    assert not Path(used).exists()


def test_the_arguments_of_a_deployment_reach_helm(cluster: "Cluster") -> None:
    cluster.installation()
    main([*DEPLOY, *PLACE, *PLACES, "--release", "tone"])
    [upgrade] = [call for call in cluster.calls() if call[1] == "upgrade"]
    assert upgrade[2:4] == ["tone", str(CHART)]
    images = json.loads(upgrade[upgrade.index("--set-json") + 1])
    assert images == {"image": {"registry": "ghcr.io/ann/tone", "digests": DIGESTS}}


def test_a_failure_ends_with_its_sentence(cluster: "Cluster") -> None:
    cluster.answers["helm history"] = [[1, "Error: release: not found"]]
    cluster.installation()
    with pytest.raises(SystemExit, match="tonebridge is not installed"):
        main([*DEPLOY, *PLACE, *PLACES])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([*DEPLOY, *PLACE, "--server="], "set the variable CLUSTER_URL of the environment"),
        ([*DEPLOY[:-1], "--values=", *PLACE, *PLACES], "set the variable VALUES of the environment"),
        (
            ["deploy", "--repository=Ann/Tone", "--digests=", DEPLOY[-1], *PLACE, *PLACES],
            "digests are of nothing",
        ),
    ],
)
def test_what_an_environment_lacks_is_named_before_anything_is_called(
    cluster: "Cluster", arguments: list[str], fault: str
) -> None:
    cluster.installation()
    with pytest.raises(SystemExit, match=fault):
        main(arguments)
    assert not (cluster.folder / "calls").exists()


def stored(number: int, status: str) -> dict[str, Any]:
    """A release of Helm's, as its driver `memory` reads it."""
    about = {
        "status": status,
        "first_deployed": "2026-11-01T10:00:00Z",
        "last_deployed": "2026-11-01T10:00:00Z",
    }
    chart = {"apiVersion": "v2", "name": "tonebridge", "version": "0.1.0"}
    return {
        "name": "tonebridge",
        "namespace": "chats",
        "version": number,
        "info": about,
        "chart": {"metadata": chart, "values": {"delivery": "deployment"}},
        "config": {"delivery": "rollout"},
    }


@pytest.fixture
def signed_in(token_server: "TokenServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real Helm and kubectl, a job's tokens, and two revisions. With its driver `memory` Helm changes no
    cluster; it asks whether one is there, and does all else.
    """
    for program in ("helm", "kubectl"):
        if not (tools.FOLDER / program).exists():
            tools.install(program, tools.FOLDER)
    monkeypatch.setenv("PATH", str(tools.FOLDER))
    monkeypatch.setenv("HOME", str(tmp_path))  # of kubectl's cache
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", token_server.url)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
    (tmp_path / "releases.yaml").write_text(yaml.safe_dump([stored(1, "superseded"), stored(2, "deployed")]))
    monkeypatch.setenv("HELM_DRIVER", "memory")
    monkeypatch.setenv("HELM_MEMORY_DRIVER_DATA", str(tmp_path / "releases.yaml"))


@pytest.mark.long  # it may have to download Helm and kubectl
@pytest.mark.usefixtures("signed_in")
def test_the_real_programs_deploy_a_release(
    api_server: "ApiServer", token_server: "TokenServer", capsys: pytest.CaptureFixture[str]
) -> None:
    main([*DEPLOY, *PLACE, f"--server={api_server.url}", f"--authority={api_server.authority}"])
    assert capsys.readouterr().out.splitlines()[-1] == "in use"
    assert all(token.startswith("Bearer ey") for token in api_server.tokens), api_server.tokens
    assert set(token_server.asked) == {"/token?api-version=2.0&audience=tonebridge-staging"}
    path = "/apis/argoproj.io/v1alpha1/namespaces/chats/rollouts/tonebridge-gateway"
    assert ("GET", path) in api_server.asked


@pytest.mark.long
@pytest.mark.usefixtures("signed_in")
def test_the_real_programs_take_a_failed_canary_back(
    api_server: "ApiServer", capsys: pytest.CaptureFixture[str]
) -> None:
    api_server.phases = ["Healthy", "Degraded", "Degraded", "Healthy"]
    with pytest.raises(SystemExit, match="revision 2 runs again"):
        main([*DEPLOY, *PLACE, f"--server={api_server.url}", f"--authority={api_server.authority}"])
    path = "/apis/argoproj.io/v1alpha1/namespaces/chats/rollouts/tonebridge-gateway/status"
    assert ("PATCH", path) in api_server.asked
    assert ("body", json.dumps({"status": {"abort": True}})) in api_server.asked
    assert "back to revision 2" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.usefixtures("signed_in")
def test_the_real_programs_roll_back(api_server: "ApiServer", capsys: pytest.CaptureFixture[str]) -> None:
    main(["rollback", *PLACE, f"--server={api_server.url}", f"--authority={api_server.authority}"])
    assert "back to revision 1" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.usefixtures("signed_in")
def test_values_that_the_chart_does_not_know_change_nothing(api_server: "ApiServer") -> None:
    cluster = [f"--server={api_server.url}", f"--authority={api_server.authority}"]
    with pytest.raises(
        SystemExit, match=r"nothing was changed: .*additional properties 'replica' not allowed"
    ):
        main([*DEPLOY[:-1], f"--values={VALUES}replica: 3\n", *PLACE, *cluster])


def test_the_role_covers_every_kind_of_the_chart() -> None:
    text = "\n".join(file.read_text(encoding="utf-8") for file in (CHART / "templates").glob("*.yaml"))
    kinds = set(re.findall(r"^kind: (\w+)$", text, re.MULTILINE))
    kinds |= {
        kind for pair in re.findall(r'^kind: .*ternary "(\w+)" "(\w+)"', text, re.MULTILINE) for kind in pair
    }
    assert {"Deployment", "Rollout", "ConfigMap"} <= kinds
    role, binding = yaml.safe_load_all((CHART.parent / "delivery" / "role.yaml").read_text(encoding="utf-8"))
    changed = {name for rule in role["rules"] if "create" in rule["verbs"] for name in rule["resources"]}
    assert {_plural(kind) for kind in kinds} | {"secrets"} == changed, "Helm keeps its revisions in Secrets"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"].startswith("github:OWNER/REPOSITORY:")


def test_the_role_has_the_rights_that_the_chart_gives_to_others() -> None:
    """Kubernetes refuses a Role with rights that its maker lacks."""
    template = (CHART / "templates" / "work-pools.yaml").read_text(encoding="utf-8")
    rules = re.search(r"^kind: Role\nmetadata: .*\n(rules:\n(?: .*\n)+)", template, re.MULTILINE)
    assert rules is not None
    role = next(yaml.safe_load_all((CHART.parent / "delivery" / "role.yaml").read_text(encoding="utf-8")))
    given = _rights(yaml.safe_load(rules[1])["rules"])
    assert ("batch", "jobs", "delete") in given
    assert given <= _rights(role["rules"])


def _rights(rules: list[dict[str, list[str]]]) -> set[tuple[str, str, str]]:
    """Each group, resource and verb of the rules."""
    return {
        right
        for rule in rules
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def _plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
