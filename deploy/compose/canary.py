"""The servers of an installation by Compose, as a rollout sees them: stable ones, and a canary of a gateway
and of an inference service, behind HAProxy. It needs Python alone.
"""

import contextlib
import csv
import json
import select
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence

from deploy.compose import env_file
from deploy.compose.installation import GATEWAYS, Installation
from deploy.compose.programs import Compose, ComposeError
from deploy.rollout import promises
from deploy.rollout.evidence import Counts
from deploy.rollout.rollout import Observation

INFERENCE = ("inference-1", "inference-2")
CANARIES = {"gateways": "gateway-canary", "inference": "inference-canary"}  # by the proxy's backends
_CANARY_VOTES, _OTHER_VOTES = "votes on the canary's rewrites", "votes on the others'"
_CANARY = {*CANARIES.values(), _CANARY_VOTES}
_STABLE = {"gateways": GATEWAYS, "inference": INFERENCE}
_MOST = 256  # the largest weight of HAProxy
_USUAL = 100  # the weight of a stable server
_VOTES_EVERY_S = 10.0
_DRAIN_S = 20.0

# Runs in the worker's container, which may read all metrics: for each line that it gets, one with {place: the
# text of its metrics}. To start a command in a container takes half a second of CPU, so it stays.
_READ_METRICS = """
import json, os, sys, urllib.request as r
from concurrent.futures import ThreadPoolExecutor
def read(place):
    header = {"Authorization": "Bearer " + os.environ["TONEBRIDGE_METRICS_TOKEN"]}
    try:
        return r.urlopen(r.Request(f"http://{place}/metrics", headers=header), timeout=3).read().decode()
    except OSError:
        return ""
places = sys.argv[1:]
with ThreadPoolExecutor(8) as pool:
    for _ in sys.stdin:
        print(json.dumps(dict(zip(places, pool.map(read, places)))), flush=True)
"""
_READ_WITHIN_S = 15.0
_PROXY = "proxy:8404"
_GATEWAY_PORT, _INFERENCE_PORT = 8080, 3000
# People who voted on what a release wrote, and on what others wrote, since a moment; how many of them are
# against a rewrite. A person counts once on each side, whatever they send.
_VOTES = """
SELECT outputs.release IS NOT DISTINCT FROM '{release}', count(DISTINCT user_id),
    count(DISTINCT user_id) FILTER (WHERE NOT thumb_up OR rating <= 2)
FROM feedback JOIN outputs ON outputs.id = output_id
WHERE feedback.id >= '{first}' AND kind IN ('thumb', 'rating') GROUP BY 1
"""


class ComposeFleet:
    """An installation, and the release that is to replace it."""

    def __init__(self, compose: Compose, version: str, say: Callable[[str], None] = print) -> None:
        """ComposeError unless `version` is a tag of its own: what it writes is told by it."""
        self._canary = canary_of(compose)
        runs = env_file.read(compose.env_file)["TONEBRIDGE_VERSION"]
        # A rollout that was ended while it replaced the stable servers goes on by the same command.
        is_new = version != runs or self._canary.env_file.exists()
        if version == "latest" or not is_new:
            raise ComposeError(
                f"{version} is no release of its own: name a tag other than latest and the one that runs"
            )
        if not all(character.isalnum() or character in "._-" for character in version) or len(version) > 64:
            raise ComposeError(f"{version!r} is no tag of an image")
        self._compose, self._version, self._say = compose, version, say
        self._installation = Installation(compose, say)
        self._began_ms = int(time.time() * 1000)
        self._votes: dict[str, Counts] = {}
        self._voted_at = float("-inf")
        self._ends: dict[str, int] = {}  # how often each canary had ended when it was first seen ready
        self._reader: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Migrate the tables, and start a canary of each that gets no requests yet. ComposeError or
        TimeoutError when it does not start; then nothing of it is left.
        """
        self._say(f"the tables of {self._version}")
        env_file.copy(self._compose.env_file, self._canary.env_file, {"TONEBRIDGE_VERSION": self._version})
        try:
            self.shift(0)
            Installation(self._canary, self._say).migrate()
            self._say("the canaries")
            for canary in CANARIES.values():  # one by one: a start takes the CPU of those that answer
                self._canary.run("--profile", "rollout", "up", "-d", "--no-deps", canary)
                self._installation.wait_until_used(canary)
        except BaseException:
            self._remove()
            self._canary.env_file.unlink()
            raise
        self._began_ms, self._ends = int(time.time() * 1000), {}

    def shift(self, percent: int) -> None:
        """Give the canaries this share of the requests, by the weights of HAProxy's servers."""
        commands = []
        for backend, canary in CANARIES.items():
            stable = _STABLE[backend]
            own, each = weights(percent, len(stable))
            commands += [f"set server {backend}/{canary} weight {own}"]
            commands += [f"set server {backend}/{server} weight {each}" for server in stable]
        self._tell_proxy("; ".join(commands))

    def observe(self) -> Observation:
        """What was counted so far. OSError when the containers cannot be asked."""
        gateways = {f"{name}:{_GATEWAY_PORT}": name for name in (*GATEWAYS, CANARIES["gateways"])}
        services = {f"{name}:{_INFERENCE_PORT}": name for name in (*INFERENCE, CANARIES["inference"])}
        try:
            texts = self._read_metrics([_PROXY, *gateways, *services])
            if time.monotonic() - self._voted_at >= _VOTES_EVERY_S:
                self._votes, self._voted_at = self._count_votes(), time.monotonic()
        except (ComposeError, ValueError) as error:
            raise OSError(f"the metrics cannot be read: {error}") from error
        proxy = texts[_PROXY]
        if not proxy:
            raise OSError("the proxy's metrics cannot be read")
        counts = {
            promises.GATEWAY_ERRORS.name: promises.read_proxy(proxy, "gateways"),
            promises.INFERENCE_ERRORS.name: promises.read_proxy(proxy, "inference"),
            promises.VOTES.name: self._votes,
        }
        for places, read in ((gateways, promises.read_gateway), (services, promises.read_inference)):
            for place, server in places.items():
                if texts[place]:
                    for promise, each in read(texts[place]).items():
                        counts.setdefault(promise, {})[server] = each
        canary, stable = (
            {
                promise: {server: each for server, each in by_server.items() if (server in _CANARY) is wanted}
                for promise, by_server in counts.items()
            }
            for wanted in (True, False)
        )
        ends = {canary: promises.read_ends(proxy, canary) for canary in CANARIES.values()}
        self._ends = self._ends or ends
        # A canary that has ended is no longer ready, even if it was started anew a second later.
        is_ready = ends == self._ends and all(promises.read_ready(proxy, canary) for canary in ends)
        return Observation(canary, stable, is_ready)

    def finish(self) -> None:
        """Replace the stable servers and all other processes, and remove the canaries."""
        self._installation.upgrade(self._version)
        self._remove()
        self._canary.env_file.unlink()

    def go_back(self) -> None:
        """Take the requests from the canaries, remove them, and withdraw what the release has written."""
        self._remove()
        words = ("--profile", "once", "run", "--rm", "-T", "--no-deps", "release", "python", "-m")
        try:
            self._canary.run(*words, "data.traffic.withdrawals", self._version)
        finally:
            self._canary.env_file.unlink()

    def _read_metrics(self, places: Sequence[str]) -> dict[str, str]:
        """The text of each place's metrics, empty for one that does not answer. OSError when none is read."""
        if self._reader is None:
            self._reader = self._compose.open("exec", "-T", "worker", "python", "-c", _READ_METRICS, *places)
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        try:
            self._reader.stdin.write("\n")
            self._reader.stdin.flush()
            is_there = select.select([self._reader.stdout], [], [], _READ_WITHIN_S)[0]
            line = self._reader.stdout.readline() if is_there else ""
            if not line:
                raise OSError("the worker's container, which reads them, does not answer")
        except OSError:
            self._end_reader()
            raise
        texts: dict[str, str] = json.loads(line)
        return texts

    def _end_reader(self) -> None:
        if self._reader is not None:
            self._reader.kill()
            self._reader.wait()
            for pipe in (self._reader.stdin, self._reader.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):  # what was not sent yet
                    pipe.close()
            self._reader = None

    def _remove(self) -> None:
        """Send the canaries no requests, and stop them when they have answered those that they have."""
        self._end_reader()
        self.shift(0)
        deadline = time.monotonic() + _DRAIN_S
        while self._is_busy() and time.monotonic() < deadline:
            time.sleep(0.2)
        self._canary.run("--profile", "rollout", "stop", *CANARIES.values())

    def _is_busy(self) -> bool:
        """Whether a canary has requests to answer, as the proxy knows it."""
        rows = csv.DictReader(self._tell_proxy("show stat").removeprefix("# ").splitlines())
        return any(row["svname"] in CANARIES.values() and int(row["scur"] or 0) > 0 for row in rows)

    def _tell_proxy(self, command: str) -> str:
        """The answer of HAProxy's runtime API, which listens inside its container alone."""
        script = 'exec 3<>/dev/tcp/127.0.0.1/9999 && printf "%s\\n" "$1" >&3 && cat <&3'
        answer = self._compose.output("exec", "-T", "proxy", "bash", "-c", script, "bash", command)
        if command.startswith("set") and answer.strip():
            raise ComposeError(f"the proxy refuses {command!r}: {answer.strip()}")
        return answer

    def _count_votes(self) -> dict[str, Counts]:
        # The ids of votes begin with their time in milliseconds (UUIDv7).
        first = uuid.UUID(int=self._began_ms << 80)
        query = _VOTES.format(release=self._version, first=first)
        psql = ("psql", "-U", "tonebridge", "-d", "tonebridge", "-At", "-F,", "-c", query)
        rows = [line.split(",") for line in self._compose.output("exec", "-T", "postgres", *psql).split()]
        return {
            _CANARY_VOTES if row[0] == "t" else _OTHER_VOTES: Counts(int(row[1]), int(row[2])) for row in rows
        }


def canary_of(compose: Compose) -> Compose:
    """The same installation with the tag of the new release, by a file that is there during a rollout."""
    return compose._replace(env_file=compose.env_file.with_name(f"{compose.env_file.name}.canary"))


def weights(percent: int, stable: int) -> tuple[int, int]:
    """The weights of a canary and of each of `stable` servers for a share of the requests to the canary."""
    if percent == 0:
        return 0, _USUAL
    if percent == 100:
        return _USUAL, 0
    own = _USUAL * stable * percent / (100 - percent)
    factor = min(1.0, _MOST / own)
    return max(1, round(own * factor)), max(1, round(_USUAL * factor))
