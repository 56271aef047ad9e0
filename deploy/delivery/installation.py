"""Brings a release into use in a cluster by Helm, waits until it is, and takes it back when it fails.

With the chart's `delivery: rollout` the gateway is a Rollout of Argo's. Helm's usual way to wait (`watcher`)
never takes one for ready (helm/helm#32615), and `legacy` waits for Deployments and Jobs alone. So the state
of the Rollout is read here, as the plugin `kubectl argo rollouts` does, which is therefore not needed.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from deploy.engine import CommandFailedError

Say = Callable[[str], None]
_FAILURES = 5  # to ask for a rollout, one after the other, before it counts as lost


class DeploymentError(RuntimeError):
    """A deployment did not come into use, or may not begin; the message says what runs, and what to do."""


class Rollout(NamedTuple):
    """The state of a gateway that Argo brings into use."""

    phase: str  # Healthy, Progressing, Paused or Degraded; Missing when there is none
    message: str

    def __str__(self) -> str:
        return f"{self.phase} ({self.message})" if self.message else self.phase


def _print(line: str) -> None:
    print(line, flush=True)


class Installation:
    """One release of Helm's, in one namespace. Programs are `helm` and `kubectl` of PATH."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        release: str,
        *,
        say: Say = _print,
        helm_minutes: int = 30,
        rollout_s: float = 5400.0,
        pause_s: float = 10.0,
    ) -> None:
        """`helm_minutes` is how long a Job or the pods may take, `rollout_s` how long a canary with its
        analyses may; `pause_s` lies between two questions about it.
        """
        self._where = ["--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self._release, self._say = release, say
        self._wait = ["--wait=legacy", "--timeout", f"{helm_minutes}m"]
        self._rollout_s, self._pause_s = rollout_s, pause_s

    def deploy(self, chart: Path, registry: str, digests: Mapping[str, str], values: Path) -> None:
        """Upgrade to the images of these digests, with a file of values. The chart's hook migrates first.

        DeploymentError when it does not come into use; the former revision runs again then.
        CommandFailedError when nothing could be asked.
        """
        history = self._history()
        former = self._find_running(history)
        self._refuse_during_a_rollout()
        self._say(f"revision {former} runs; the upgrade begins with the migration")
        images = json.dumps({"image": {"registry": registry, "digests": dict(digests)}})
        words = ["upgrade", self._release, str(chart), "--values", str(values), "--set-json", images]
        try:
            self._helm(*words, "--wait-for-jobs", *self._wait)
        except CommandFailedError as error:
            self._take_back(former, error, newest=int(history[-1]["revision"]))
        try:
            self._wait_for_rollout()
        except (CommandFailedError, DeploymentError) as error:
            self._take_back(former, error)
        self._say("in use")

    def _take_back(self, former: int, error: Exception, newest: int | None = None) -> NoReturn:
        """Go back to a revision, unless this upgrade has made none after `newest`, as when the chart refuses
        a value. Raises DeploymentError, with what runs now.
        """
        self._say(f"failed: {error}")
        try:
            # A failed upgrade of ours is `failed`; one that is still pending is somebody else's.
            last = self._history()[-1]
            if newest is not None and (int(last["revision"]) == newest or _is_pending(last)):
                outcome = "nothing was changed"
            else:
                self._restore(former)
                outcome = f"revision {former} runs again; the migration stays"
        except (CommandFailedError, DeploymentError) as second:
            raise DeploymentError(
                f"the release is not in use: {error}\nIt was not taken back either: {second}\n"
                f"Look at what runs, and go back to revision {former} by hand"
            ) from second
        raise DeploymentError(f"the release is not in use, and {outcome}: {error}") from error

    def roll_back(self, revision: int | None = None) -> int:
        """Go back to a revision, by default the last one that was in use before the present one. Returns its
        number. DeploymentError when there is none, or when it does not come into use.
        """
        chosen = revision or find_former(self._history())
        self._restore(chosen)
        self._say(f"revision {chosen} runs again; the tables stay as they are")
        return chosen

    def _restore(self, revision: int) -> None:
        if self._has_rollout() and self._read_rollout().phase in ("Progressing", "Paused", "Degraded"):
            # The stable pods get all requests at once, and not only when the former description is applied.
            self._say("abort the rollout")
            abort = ["--subresource", "status", "--type", "merge", "--patch", '{"status": {"abort": true}}']
            self._kubectl("patch", "rollouts.argoproj.io", f"{self._release}-gateway", *abort)
        self._say(f"back to revision {revision}")
        self._helm("rollback", self._release, str(revision), *self._wait)
        self._wait_for_rollout()

    def _find_running(self, history: Sequence[Mapping[str, Any]]) -> int:
        """The revision that is in use. DeploymentError when there is none, or when Helm is at work."""
        if _is_pending(history[-1]):
            raise DeploymentError(
                f"revision {history[-1]['revision']} is {history[-1]['status']}: wait until that deployment"
                " has ended. If none runs, it was killed: roll back first"
            )
        if (running := find_running(history)) is None:
            raise DeploymentError(f"no revision of {self._release} is in use: roll back first")
        return running

    def _refuse_during_a_rollout(self) -> None:
        if self._has_rollout() and (state := self._read_rollout()).phase in ("Progressing", "Paused"):
            raise DeploymentError(f"a rollout is {state}: wait for it, or roll back first")

    def _wait_for_rollout(self) -> None:
        """Wait until all requests go to the new gateways, if Argo brings them into use."""
        if not self._has_rollout():
            return
        deadline = time.monotonic() + self._rollout_s
        before, failures = None, 0
        while True:
            try:
                state, failures = self._read_rollout(), 0
            except CommandFailedError:
                # A canary takes long, and is not taken back since a connection broke meanwhile.
                failures += 1
                if failures > _FAILURES:
                    raise
                time.sleep(self._pause_s)
                continue
            if state.phase == "Healthy":
                return
            if state != before:
                self._say(f"rollout: {state}")
                before = state
            if state.phase == "Degraded":
                raise DeploymentError(f"the rollout is {state}")
            if time.monotonic() > deadline:
                raise DeploymentError(
                    f"the rollout is still {state} after {self._rollout_s / 60:.0f} minutes"
                )
            time.sleep(self._pause_s)

    def _has_rollout(self) -> bool:
        """Whether the gateway is a Rollout of Argo's, by the values of the newest revision."""
        values = json.loads(self._helm("get", "values", self._release, "--all", "--output", "json"))
        return bool(values["delivery"] == "rollout")

    def _read_rollout(self) -> Rollout:
        name = f"{self._release}-gateway"
        output = self._kubectl("get", "rollouts.argoproj.io", name, "--ignore-not-found", "--output", "json")
        return read_rollout(json.loads(output)) if output.strip() else Rollout("Missing", "")

    def _history(self) -> list[dict[str, Any]]:
        """Helm's revisions, the oldest first."""
        try:
            entries: list[dict[str, Any]] = json.loads(
                self._helm("history", self._release, "--output", "json")
            )
        except CommandFailedError as error:
            if "release: not found" in str(error):
                raise DeploymentError(
                    f"{self._release} is not installed: do that by hand (docs/kubernetes.md)"
                ) from error
            raise
        return sorted(entries, key=lambda entry: int(entry["revision"]))

    def _helm(self, *words: str) -> str:
        return _run(["helm", *words, *self._where])

    def _kubectl(self, *words: str) -> str:
        return _run(["kubectl", *words, *self._where])


def _is_pending(entry: Mapping[str, Any]) -> bool:
    return str(entry["status"]).startswith("pending")


def find_running(history: Sequence[Mapping[str, Any]]) -> int | None:
    """The newest revision that Helm calls deployed, of its history with the oldest first."""
    deployed = [int(entry["revision"]) for entry in history if entry["status"] == "deployed"]
    return deployed[-1] if deployed else None


def find_former(history: Sequence[Mapping[str, Any]]) -> int:
    """The revision to go back to, of Helm's history with the oldest first.

    After an upgrade that failed or was killed it is the one that Helm still calls deployed. Else it is the
    newest that was in use before what runs now; one that was taken back itself is passed over.
    DeploymentError when there is none.
    """
    if history[-1]["status"] != "deployed" and (running := find_running(history)) is not None:
        return running
    contents: dict[int, int] = {}  # the revision that a rollback repeats
    taken_back = set()
    for entry in history:
        revision, repeated = int(entry["revision"]), int(entry.get("rollback_revision", 0))
        contents[revision] = contents.get(repeated, repeated) or revision
        if repeated:
            taken_back.add(revision - 1)
    present = contents[int(history[-1]["revision"])]
    for entry in reversed(history[:-1]):
        revision = int(entry["revision"])
        if revision < present and entry["status"] == "superseded" and revision not in taken_back:
            return revision
    raise DeploymentError("no revision was in use before the present one: name one, or deploy a release")


def read_rollout(document: Mapping[str, Any]) -> Rollout:
    """The state of a Rollout, as `kubectl argo rollouts status` reads it (`GetRolloutPhase`): its phase says
    nothing while the controller has not seen the newest description.
    """
    status = document.get("status", {})
    if str(status.get("observedGeneration", "")) != str(document["metadata"]["generation"]):
        return Rollout("Progressing", "the controller has not seen the change yet")
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return Rollout("Progressing", "it goes on after a pause")
    return Rollout(status.get("phase", "Progressing"), status.get("message", ""))


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        # Without the lines of kubectl's own log, which repeat a fault of the connection.
        lines = [line for line in done.stderr.splitlines() if not re.match(r"[EWI]\d{4} ", line)]
        raise CommandFailedError(f"{' '.join(command[:3])}: {' '.join(lines).strip()}")
    return done.stdout
