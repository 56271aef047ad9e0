"""What Helm and kubectl are called with, in which order, and how a release that fails is taken back.

There is no cluster here, so programs stand for both: they note their words and answer what a test says.
"""

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from deploy.delivery.installation import DeploymentError, Rollout, find_former, read_rollout
from deploy.engine import CommandFailedError
from tests.deploy.delivery.conftest import DIGESTS, revision, rollout

if TYPE_CHECKING:
    from tests.deploy.delivery.conftest import Cluster


def test_a_release_is_deployed_by_its_digests_alone(cluster: "Cluster") -> None:
    cluster.deploy()
    [upgrade] = [call for call in cluster.calls() if call[1] == "upgrade"]
    images = json.loads(upgrade[upgrade.index("--set-json") + 1])
    assert images == {"image": {"registry": "ghcr.io/ann/tone", "digests": DIGESTS}}
    assert upgrade[2:4] == ["tonebridge", "chart"]
    assert upgrade[upgrade.index("--values") + 1] == str(cluster.folder / "values.yaml")
    assert {"--wait=legacy", "--wait-for-jobs"} <= set(upgrade)
    assert cluster.changes() == ["helm upgrade tonebridge chart"]


def test_every_call_names_the_cluster_and_the_namespace(cluster: "Cluster") -> None:
    cluster.answers["kubectl get"] = [rollout("Healthy"), rollout("Degraded"), rollout("Healthy")]
    with pytest.raises(DeploymentError):
        cluster.deploy()
    for call in cluster.calls():
        assert call[-4:] == ["--kubeconfig", str(cluster.folder / "kubeconfig"), "--namespace", "chats"]


def test_a_deployment_of_kubernetes_needs_no_argo(cluster: "Cluster") -> None:
    cluster.answers["helm get"] = [[0, json.dumps({"delivery": "deployment"})]]
    cluster.deploy()
    assert [call[0] for call in cluster.calls()] == ["helm"] * len(cluster.calls())


def test_it_waits_for_the_canary(cluster: "Cluster") -> None:
    states = ["Progressing", "Progressing", "Paused", "Progressing", "Healthy"]
    cluster.answers["kubectl get"] = [rollout("Healthy"), *(rollout(state, "step") for state in states)]
    cluster.deploy()
    waited = [line for line in cluster.said if line.startswith("rollout: ")]
    assert waited == ["rollout: Progressing (step)", "rollout: Paused (step)", "rollout: Progressing (step)"]
    assert cluster.said[-1] == "in use"
    assert cluster.changes() == ["helm upgrade tonebridge chart"]


def test_a_canary_that_fails_its_analysis_is_aborted_and_taken_back(cluster: "Cluster") -> None:
    failed = rollout("Degraded", "RolloutAborted: metric share-of-errors")
    cluster.answers["kubectl get"] = [rollout("Healthy"), failed, failed, rollout("Healthy")]
    with pytest.raises(DeploymentError, match=r"revision 3 runs again.*share-of-errors"):
        cluster.deploy()
    assert cluster.changes() == [
        "helm upgrade tonebridge chart",
        "kubectl patch rollouts.argoproj.io tonebridge-gateway",
        "helm rollback tonebridge 3",
    ]
    [patch] = [call for call in cluster.calls() if call[1] == "patch"]
    assert patch[patch.index("--subresource") + 1] == "status"
    assert json.loads(patch[patch.index("--patch") + 1]) == {"status": {"abort": True}}


def test_a_canary_that_waits_for_a_person_too_long_is_taken_back(cluster: "Cluster") -> None:
    waiting = rollout("Paused", "InconclusiveAnalysisRun")
    cluster.answers["kubectl get"] = [rollout("Healthy"), waiting, waiting, rollout("Healthy")]
    with pytest.raises(DeploymentError, match=r"still Paused \(InconclusiveAnalysisRun\) after 0 minutes"):
        cluster.deploy(rollout_s=0.0)
    assert cluster.changes()[1:] == [
        "kubectl patch rollouts.argoproj.io tonebridge-gateway",
        "helm rollback tonebridge 3",
    ]


def test_a_broken_connection_takes_no_canary_back(cluster: "Cluster") -> None:
    broken = [1, "Unable to connect to the server: dial tcp: i/o timeout"]
    cluster.answers["kubectl get"] = [
        rollout("Healthy"), *[broken] * 5, rollout("Progressing"), *[broken] * 5, rollout("Healthy")
    ]  # fmt: skip
    cluster.deploy()
    assert cluster.changes() == ["helm upgrade tonebridge chart"]


def test_a_cluster_that_stays_away_is_named(cluster: "Cluster") -> None:
    cluster.answers["kubectl get"] = [rollout("Healthy"), [1, "Unable to connect to the server"]]
    with pytest.raises(DeploymentError, match=r"(?s)Unable to connect.*back to revision 3 by hand"):
        cluster.deploy()
    reads = [call for call in cluster.calls() if call[:2] == ["kubectl", "get"]]
    assert len(reads) == 1 + 6 + 1


def test_a_rollout_that_is_not_there_is_not_in_use(cluster: "Cluster") -> None:
    cluster.answers["kubectl get"] = [[0, ""], [0, ""], rollout("Progressing"), rollout("Healthy")]
    cluster.deploy()
    assert cluster.said[-3:] == ["rollout: Missing", "rollout: Progressing", "in use"]


STORED = [revision(2, "superseded"), revision(3, "deployed")]
FAILED = [[0, json.dumps(STORED)], [0, json.dumps([*STORED, revision(4, "failed")])]]


def test_after_a_failed_migration_there_is_no_rollout_to_abort(cluster: "Cluster") -> None:
    cluster.answers["helm history"] = FAILED
    cluster.answers["helm upgrade"] = [[1, "UPGRADE FAILED: pre-upgrade hooks failed: job migration failed"]]
    with pytest.raises(DeploymentError, match=r"revision 3 runs again.*job migration failed"):
        cluster.deploy()
    assert cluster.changes() == ["helm upgrade tonebridge chart", "helm rollback tonebridge 3"]


@pytest.mark.parametrize(
    ("later", "fault"),
    [
        ([], "values don't meet the specifications of the schema"),
        ([revision(4, "pending-upgrade")], "another operation (install/upgrade/rollback) is in progress"),
    ],
)
def test_nothing_is_taken_back_that_this_deployment_did_not_change(
    cluster: "Cluster", later: list[dict[str, Any]], fault: str
) -> None:
    cluster.answers["helm history"] = [[0, json.dumps(STORED)], [0, json.dumps([*STORED, *later])]]
    cluster.answers["helm upgrade"] = [[1, fault]]
    with pytest.raises(DeploymentError, match=f"not in use, and nothing was changed: .*{re.escape(fault)}"):
        cluster.deploy()
    assert cluster.changes() == ["helm upgrade tonebridge chart"]


def test_both_faults_are_named_when_the_way_back_fails_too(cluster: "Cluster") -> None:
    cluster.answers["helm history"] = FAILED
    cluster.answers["helm upgrade"] = [[1, "UPGRADE FAILED: timed out"]]
    cluster.answers["helm rollback"] = [[1, "no more quota"]]
    with pytest.raises(DeploymentError, match=r"(?s)timed out.*no more quota.*back to revision 3 by hand"):
        cluster.deploy()


@pytest.mark.parametrize("phase", ["Progressing", "Paused"])
def test_nothing_begins_during_a_rollout(cluster: "Cluster", phase: str) -> None:
    cluster.answers["kubectl get"] = [rollout(phase)]
    with pytest.raises(DeploymentError, match=f"a rollout is {phase}: wait for it, or roll back first"):
        cluster.deploy()
    assert cluster.changes() == []


def test_a_fixed_release_may_follow_an_aborted_one(cluster: "Cluster") -> None:
    cluster.answers["kubectl get"] = [rollout("Degraded"), rollout("Healthy")]
    cluster.deploy()
    assert cluster.changes() == ["helm upgrade tonebridge chart"]


@pytest.mark.parametrize(
    ("history", "fault"),
    [
        ([revision(3, "deployed"), revision(4, "pending-upgrade")], "wait until that deployment has ended"),
        ([revision(1, "failed")], "no revision of tonebridge is in use: roll back first"),
    ],
)
def test_nothing_begins_where_helm_is_at_work_or_failed(
    cluster: "Cluster", history: list[dict[str, Any]], fault: str
) -> None:
    cluster.answers["helm history"] = [[0, json.dumps(history)]]
    with pytest.raises(DeploymentError, match=fault):
        cluster.deploy()
    assert cluster.changes() == []


def test_an_installation_is_made_by_hand(cluster: "Cluster") -> None:
    cluster.answers["helm history"] = [[1, "Error: release: not found"]]
    with pytest.raises(DeploymentError, match="tonebridge is not installed: do that by hand"):
        cluster.deploy()


def test_a_cluster_that_does_not_answer_is_no_missing_installation(cluster: "Cluster") -> None:
    cluster.answers["helm history"] = [[1, "Error: kubernetes cluster unreachable"]]
    with pytest.raises(
        CommandFailedError, match="helm history tonebridge: Error: kubernetes cluster unreachable"
    ):
        cluster.deploy()


def test_back_by_hand_goes_to_what_was_in_use_before(cluster: "Cluster") -> None:
    assert cluster.installation().roll_back() == 2
    assert cluster.changes() == ["helm rollback tonebridge 2"]


def test_back_by_hand_aborts_a_rollout_that_runs(cluster: "Cluster") -> None:
    cluster.answers["kubectl get"] = [rollout("Progressing"), rollout("Progressing"), rollout("Healthy")]
    assert cluster.installation().roll_back(1) == 1
    assert "rollout: Progressing" in cluster.said, "the way back is waited for, too"
    assert cluster.changes() == [
        "kubectl patch rollouts.argoproj.io tonebridge-gateway",
        "helm rollback tonebridge 1",
    ]


BACK_TO_3 = {"rollback_revision": 3}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([revision(2, "superseded"), revision(3, "deployed")], 2),
        ([revision(2, "superseded"), revision(3, "failed"), revision(4, "deployed")], 2),
        # An upgrade that failed or was killed: what Helm calls deployed still is in use.
        ([revision(2, "superseded"), revision(3, "deployed"), revision(4, "failed")], 3),
        ([revision(2, "superseded"), revision(3, "deployed"), revision(4, "pending-upgrade")], 3),
        ([revision(2, "deployed"), revision(3, "deployed"), revision(4, "failed")], 3),
        # 4 did not stand its canary, so 5 repeats 3: neither 4 nor 3 is a way back.
        (
            [revision(n, "superseded") for n in (2, 3, 4)] + [revision(5, "deployed", **BACK_TO_3)],
            2,
        ),
        # Back twice by hand: from 4 to 3, from there to 2, from there to 1.
        (
            [revision(n, "superseded") for n in (1, 2, 3, 4)]
            + [revision(5, "superseded", **BACK_TO_3), revision(6, "deployed", rollback_revision=2)],
            1,
        ),
        # 4 did not stand its canary, the way back failed, and 6 mended it.
        (
            [
                revision(3, "superseded"),
                revision(4, "superseded"),
                revision(5, "failed", **BACK_TO_3),
                revision(6, "deployed"),
            ],
            3,
        ),
        # A good release after one that was taken back: the way back is what the rollback repeated.
        (
            [revision(n, "superseded") for n in (3, 4)]
            + [revision(5, "superseded", **BACK_TO_3), revision(6, "deployed")],
            5,
        ),
    ],
)
def test_the_way_back_passes_over_what_was_taken_back(history: list[dict[str, Any]], expected: int) -> None:
    assert find_former(history) == expected


@pytest.mark.parametrize(
    "history",
    [
        [revision(1, "deployed")],
        [revision(1, "failed")],
        [revision(1, "superseded"), revision(2, "superseded"), revision(3, "deployed", rollback_revision=1)],
    ],
)
def test_without_an_earlier_release_there_is_no_way_back(history: list[dict[str, Any]]) -> None:
    with pytest.raises(DeploymentError, match="no revision was in use before"):
        find_former(history)


@pytest.mark.parametrize(
    ("generation", "status", "state"),
    [
        (7, {"observedGeneration": "7", "phase": "Healthy"}, Rollout("Healthy", "")),
        # The controller has not seen the upgrade, so its phase is that of the former release.
        (
            8,
            {"observedGeneration": "7", "phase": "Healthy"},
            Rollout("Progressing", "the controller has not seen the change yet"),
        ),
        (1, {}, Rollout("Progressing", "the controller has not seen the change yet")),
        (
            7,
            {"observedGeneration": "7", "phase": "Paused", "controllerPause": True},
            Rollout("Progressing", "it goes on after a pause"),
        ),
        (
            7,
            {
                "observedGeneration": "7",
                "phase": "Paused",
                "message": "CanaryPauseStep",
                "controllerPause": True,
                "pauseConditions": [{"reason": "CanaryPauseStep"}],
            },
            Rollout("Paused", "CanaryPauseStep"),
        ),
    ],
)
def test_a_state_is_read_as_argo_reads_it(generation: int, status: dict[str, Any], state: Rollout) -> None:
    assert read_rollout({"metadata": {"generation": generation}, "status": status}) == state
