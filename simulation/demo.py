"""The demo: runs the loop once, from the version that comes with ToneBridge to one that has learned from
votes, and writes a report.

    python -m simulation.demo configs/demo.yaml [short=true]

It starts all services with their state in `.tonebridge/demo`, and stops them at the end. Started again with
the same config, a killed demo resumes with its unfinished step, and a finished demo starts from the
beginning.
"""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
from pydantic import BaseModel
from transformers.utils import logging as transformers_logging

import configs
from configs.settings import Settings
from data import corpus, database
from data.people import identities
from data.snapshots.snapshot import Made
from data.traffic import comparisons
from data.traffic.evidence_messages import is_for_evidence
from experiments.evidence import Evidence
from models import shipped
from models.edit_dpo import EditDpoResult, Kind
from models.edits.writer import rules_digest
from models.training import METRICS_FILE
from pipelines import local
from pipelines.collect import collect
from pipelines.environments import environment
from pipelines.experiment import experiment
from pipelines.first_release import register_shipped
from pipelines.promote import promote
from pipelines.train import Trained, train
from simulation import simulated_people
from simulation.demo_report import Example, Report, assemble
from simulation.simulated_people import PeopleConfig, Usage

_CONFIGS = Path(__file__).parent.parent / "configs"
_MESSAGES = corpus.SEED / "messages" / "ordinary"
_KEY = "tb_demo0001_" + "0" * 43  # valid only on 127.0.0.1, while the demo runs
R = TypeVar("R", bound=BaseModel)


class DemoConfig(configs.StageConfig):
    """The numbers of people before and after the challenger."""

    short: bool = False
    people_before: int
    people_after: int

    @property
    def evaluation(self) -> tuple[str, ...]:
        """Overrides of the evaluation.

        Half of the stage's messages are rewritten at all intensities, which saves a minute. The short form
        also takes three quarters of the other messages only; with fewer the gate's intervals are so wide
        that it rejects most versions.
        """
        short = ("evaluate.most_cases=126",) if self.short else ()
        return ("evaluate.intensity_messages=14", *short)

    def scaled(self, people: int) -> int:
        """A number of people, halved in the short form."""
        return max(1, people // 2) if self.short else people


class SnapshotResult(BaseModel):
    """The snapshot that the flow `collect` wrote, with its numbers of rows."""

    digest: str
    counts: dict[str, int]


class ReleaseResult(BaseModel):
    """The epoch at which a version went live."""

    number: int


class TrainingResult(BaseModel):
    """The challenger; when the votes taught nothing, None and a message that says so."""

    trained: Trained | None = None
    message: str = ""


class FlowResult(BaseModel):
    """The state in which a run of the flow `experiment` ended, and its message."""

    state: str
    message: str


class ServedVersions(BaseModel):
    """The versions that answer through the gateway at the end, the most frequent first."""

    versions: list[str]


# Each person has one message here, and several people have the same one. Few of many votes on one message
# count, since each could teach the model a phrase of it. A comparison says more about edits than a thumb.
_HABITS = ("max_messages=4", "comparisons_share=0.7")

# All users enter at once. Their first twenty seconds count, because they stay for only a minute. The shadow
# run replays few messages, because each takes as long as an answer to a person. The margins are wide: with a
# few hundred people, an experiment cannot exclude a loss of five points.
_FAST_PLAN = (
    *("ramp=[1.0]", "window_hours=0.006", "hours_a_person=0.006"),
    *("minimum_days=0", "shadow_messages=16", "harm_margin=0.2"),
    "guardrails={complained: 0.2, failed: 0.05, fell_back: 0.05, latency_p95: 1000.0}",
)


class DemoRun:
    """The steps of the demo. The result of each step is stored in a file, so that a finished step is not
    repeated.
    """

    def __init__(self, config: DemoConfig, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self._results = settings.state / "results"
        if not self._results.exists():
            self._results.mkdir(parents=True)
            (self._results / "began").touch()

    def run(self) -> Report | None:
        """Run or resume all steps. Returns the report; None when the votes taught nothing."""
        first = self._release_first()
        before = self._step(
            "people-before",
            Usage,
            f"{self.config.scaled(self.config.people_before)} simulated people use the gateway and vote.",
            lambda: self._use_gateway(0, self.config.scaled(self.config.people_before)),
        )
        snapshot = self._step(
            "snapshot",
            SnapshotResult,
            "Writing their votes as a snapshot: redacted, split for training and validation, in DVC.",
            self._collect,
        )
        training = self._train_challenger(snapshot)
        if training.trained is None:
            print(f"  {first.version} stays champion: {training.message}")
            return None
        second = training.trained
        after, evidence = self._test_challenger(first, second)
        served = self._step(
            "served",
            ServedVersions,
            "Requesting rewrites through the gateway, to see which version answers now.",
            lambda: asyncio.run(self._read_served_versions()),
        )
        outputs = self._read_outputs(second)
        return assemble(
            first=first,
            second=second,
            usage=[usage for usage in (before, after) if usage],
            snapshot=snapshot.counts,
            learned=self._read_learned(second),
            evidence=evidence,
            serving_version=" and ".join(served.versions),
            held_out=len(outputs),
            differing=sum(output.champion != output.challenger for output in outputs),
            examples=self._choose_examples(outputs),
            minutes=(time.time() - (self._results / "began").stat().st_mtime) / 60,
        )

    def _release_first(self) -> Trained:
        first = self._step(
            "first-version",
            Trained,
            "Registering the version that comes with ToneBridge.",
            self._register_first,
        )
        self._step(
            "first-release",
            ReleaseResult,
            f"Making {first.version} champion: released, loaded, and routed to by the gateway.",
            lambda: ReleaseResult(number=promote(first.version, "the first version")),
        )
        return first

    def _register_first(self) -> Trained:
        engine = database.engine_of(self.settings)
        try:
            version = register_shipped(self.settings, engine)
        finally:
            engine.dispose()
        folder = self.settings.champion
        run = self.settings.state / "runs" / shipped.run_name(folder)
        return Trained(version=version, method="tagger", run=run, evaluation=shipped.read_evaluation(folder))

    def _train_challenger(self, snapshot: SnapshotResult) -> TrainingResult:
        def run() -> TrainingResult:
            state = train(snapshot.digest, self.config.evaluation, return_state=True)
            trained = state.result()
            if isinstance(trained, Trained):
                return TrainingResult(trained=trained)
            return TrainingResult(message=str(state.message))

        return self._step(
            "second-version",
            TrainingResult,
            f"Training a challenger on {snapshot.counts['pairs']} preference pairs and"
            f" {snapshot.counts['labels']} ratings, and evaluating it by the gate.",
            run,
        )

    def _test_challenger(self, first: Trained, second: Trained) -> tuple[Usage | None, Evidence | None]:
        """Run the second version's experiment; (None, None) when the gate or the shadow run rejects it."""
        if not second.evaluation.verdict.accepted:
            reasons = map(str, second.evaluation.verdict.reasons)
            print("\n* The gate rejected the challenger, so no experiment starts:", *reasons)
            return None, None
        started = self._step(
            "experiment",
            FlowResult,
            f"Starting the experiment: {second.version} against {first.version}, half of the people each.",
            self._start_experiment,
        )
        if started.state != "Started":
            print(f"  No experiment starts: {started.message}")
            return None, None
        people = self.config.scaled(self.config.people_after)
        after = self._step(
            "people-after",
            Usage,
            f"{people} other people use both versions, and compare them without knowing which is which.",
            lambda: self._use_gateway(1, people),
        )
        evidence = self._step(
            "evidence", Evidence, "Analysing the votes, and acting on the evidence.", experiment
        )
        return after, evidence

    def _start_experiment(self) -> FlowResult:
        state = experiment(_FAST_PLAN, return_state=True)
        return FlowResult(state=str(state.name), message=str(state.message))

    def _step(self, name: str, kind: type[R], sentence: str, run: Callable[[], object]) -> R:
        """Print the sentence, run the step unless its result is stored, and store the result."""
        print(f"\n* {sentence}", flush=True)
        file = self._results / f"{name}.json"
        if file.exists():
            print("  done earlier", flush=True)
            return kind.model_validate_json(file.read_text(encoding="utf-8"))
        began = time.monotonic()
        result = run()
        if not isinstance(result, kind):
            raise SystemExit(f"The step {name} has no result: {result}")
        file.write_text(result.model_dump_json(), encoding="utf-8")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        return result

    def _use_gateway(self, wave: int, people: int) -> Usage:
        """Let a wave of people use the gateway: the first with messages to train on, the second with messages
        for evidence.
        """
        share = comparisons.load().evidence_share
        messages = [
            message
            for message in corpus.read_lines(_MESSAGES, corpus.Message)
            if is_for_evidence(message.text, share) is bool(wave)
        ]
        random.Random(0).shuffle(messages)
        overrides = [f"people={people}", f"seed={wave}", *_HABITS]
        config = configs.load(PeopleConfig, _CONFIGS / "people.yaml", overrides)
        planned = simulated_people.plan_requests(config, messages)
        return asyncio.run(simulated_people.use_gateway(config, self.settings.gateway_url, _KEY, planned))

    def _collect(self) -> SnapshotResult:
        state = collect(("minimum=20",), return_state=True)
        snapshot = state.result()  # None when the flow completed without a snapshot
        if not isinstance(snapshot, Made):
            raise SystemExit(f"There is no snapshot to train on: {state.message}")
        return SnapshotResult(digest=snapshot.digest, counts=snapshot.counts)

    async def _read_served_versions(self) -> ServedVersions:
        """Request a rewrite for twenty people: while an experiment runs, two versions answer."""
        url, headers = f"{self.settings.gateway_url}/api/v1/transform", {"X-API-Key": _KEY}
        counts: Counter[str] = Counter()
        async with aiohttp.ClientSession(headers=headers) as http:
            for number in range(20):
                body = {
                    "text": "Fix the login page before Monday.",
                    "transform_type": "soften",
                    "intensity": 2,
                    "user_id": f"asks-at-the-end-{number}",
                }
                async with http.post(url, json=body) as response:
                    response.raise_for_status()
                    counts[(await response.json())["version"]] += 1
        return ServedVersions(versions=[version for version, _ in counts.most_common()])

    def _read_learned(self, second: Trained) -> tuple[Kind, ...]:
        """The kinds of edits that the votes tell from chance."""
        figures = (second.run / "edit_dpo" / METRICS_FILE).read_text(encoding="utf-8")
        return EditDpoResult.model_validate_json(figures).kinds

    def _read_outputs(self, second: Trained) -> list[Example]:
        """The held-out messages, with the rewrites that people would get from both versions."""
        with (second.run / "evaluation" / "outputs.jsonl").open(encoding="utf-8", newline="\n") as lines:
            rows = [json.loads(line) for line in lines]
        return [
            Example(
                message=row["text"],
                asked=f"{row['transform_type']} {row['intensity']}",
                champion=row["rewrites"]["champion_protected"]["text"],
                challenger=row["rewrites"]["challenger_protected"]["text"],
            )
            for row in rows
        ]

    def _choose_examples(self, outputs: list[Example]) -> list[Example]:
        """Three random messages that a version changes: first those on which the two versions differ."""
        changed = [output for output in outputs if {output.champion, output.challenger} != {output.message}]
        rng = random.Random(0)
        shuffled = rng.sample(changed, len(changed))
        return sorted(shuffled, key=lambda output: output.champion == output.challenger)[:3]


def run_steps(config: DemoConfig) -> None:
    """Run the steps and print the report. The process's environment has the addresses of the services."""
    # Weights load in half a second, and the bar would print many lines.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    settings = Settings()
    identities.bootstrap(database.engine_of(settings), _KEY, settings.organisation)
    report = DemoRun(config, settings).run()
    if report is None:
        return
    page = report.write(settings.artifacts / "demo")
    print()
    report.print_summary()
    print(f"\nThe report: {page}, and report.json in the same folder. It took {report.minutes:.1f} minutes.")


def prepare_state(state: Path, run: str) -> None:
    """Keep the state of an unfinished run of the same settings and champion, and delete any other."""
    description = state / "run.txt"
    is_same = description.exists() and description.read_text(encoding="utf-8") == run
    if not is_same or (state / "finished").exists():
        shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True, exist_ok=True)
    description.write_text(run, encoding="utf-8")


def main(config: DemoConfig, arguments: list[str]) -> int:
    """Start the services, run the steps in a child process, stop the services. Returns the child's exit code.

    Only the child gets the addresses of the services in its environment.
    """
    state = Path(".tonebridge/demo")
    # With so few people a holdout would have too few votes.
    base_settings = Settings(state=state, database_url=None, redis_url=None, mlflow_uri=None, holdout_share=0)
    champion = f"{shipped.run_name(base_settings.champion)} {rules_digest()}"
    prepare_state(state, f"{config.model_dump_json()} {champion}")
    print("Starting Postgres, Valkey, the inference service, the gateway and Prefect.", flush=True)
    with local.servers(local.with_free_ports(base_settings)) as settings:
        with local.running(settings, "inference", "gateway", "prefect") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez")
            processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health")
            command = [sys.executable, "-m", "simulation.demo", *arguments, "--run-steps"]
            quiet = {"PREFECT_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
            env = {**environment(settings), **quiet}
            code = subprocess.run(command, env=env, check=False).returncode  # noqa: S603
        if code == 0:
            (state / "finished").touch()
    return code


if __name__ == "__main__":
    *arguments, last = sys.argv[1:] or [""]
    if last == "--run-steps":
        run_steps(configs.from_command_line(DemoConfig, arguments))
    else:
        demo_config = configs.from_command_line(DemoConfig, sys.argv[1:])
        try:
            raise SystemExit(main(demo_config, sys.argv[1:]))
        except KeyboardInterrupt:
            raise SystemExit("\nStopped. The same command resumes with the unfinished step.") from None
