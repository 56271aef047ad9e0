"""The demo: the loop once, from an untrained base to a better, promoted, served model, with a report at its
end.

`python -m simulation.demo configs/demo.yaml [short=true]` starts everything that it needs in
`.tonebridge/demo`, and stops it. A demo that was killed goes on with the step that it had not finished, when
it is started again with the same config; one that had finished begins anew.
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
from experiments.evidence import Evidence
from pipelines import local
from pipelines.collect import collect
from pipelines.environments import environment
from pipelines.experiment import experiment
from pipelines.promote import promote
from pipelines.train import Trained, train
from simulation import simulated_people
from simulation.demo_report import Example, Report, assemble
from simulation.simulated_people import PeopleConfig, Usage

_CONFIGS = Path(__file__).parent.parent / "configs"
_MESSAGES = corpus.SEED / "messages"
_KEY = "tb_demo0001_" + "0" * 43  # opens a gateway on 127.0.0.1, while the demo runs
R = TypeVar("R", bound=BaseModel)


class DemoConfig(configs.StageConfig):
    """How much of everything: training steps, and people before and after the challenger."""

    short: bool = False
    first_sft_steps: int
    sft_steps: int
    dpo_steps: int
    people_before: int
    people_after: int

    @property
    def evaluation(self) -> tuple[str, ...]:
        """What is asked of a version: half as often at all intensities as the stage asks for, which is a
        minute of the demo, and half of the messages in the short form.
        """
        return ("evaluate.intensity_messages=14", *(("evaluate.most_cases=84",) if self.short else ()))

    def sft(self, steps: int) -> tuple[str, str]:
        """A fine-tuning of so many steps, half of them in the short form; its held-out loss at both ends."""
        return f"sft.steps={self.scaled(steps)}", f"sft.evaluate_every_steps={self.scaled(steps)}"

    def scaled(self, number: int) -> int:
        """A number of steps or people; half of it in the short form."""
        return max(1, number // 2) if self.short else number


class Snapshotted(BaseModel):
    """What the flow `collect` made."""

    digest: str
    counts: dict[str, int]


class Epoch(BaseModel):
    """When a version went live."""

    number: int


class Told(BaseModel):
    """What the flow `experiment` did, when that was not a look."""

    message: str


class Served(BaseModel):
    """Which versions answered people through the gateway at the end, the most frequent first."""

    versions: list[str]


# Everybody is in it at once, and what people do in their first twenty seconds counts: they stay for a minute.
# In shadow, few messages: each costs as long as a person waits for an answer.
_HASTE = ("ramp=[1.0]", "window_hours=0.006", "minimum_days=0", "shadow_messages=16")


class Walk:
    """The steps of the demo. Each result is kept in a file, so that a finished step is not done again."""

    def __init__(self, config: DemoConfig, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self._results = settings.state / "results"
        if not self._results.exists():
            self._results.mkdir(parents=True)
            (self._results / "began").touch()

    def run(self) -> Report:
        """The loop, from message to promotion."""
        steps, scaled = self.config, self.config.scaled
        first = self._step(
            "first-version",
            Trained,
            "Teaching the base to rewrite, on the seed corpus (SFT); then measuring it beside the base.",
            lambda: train(overrides=(*steps.sft(steps.first_sft_steps), *steps.evaluation)),
        )
        self._step(
            "first-release",
            Epoch,
            f"Making {first.version} champion: released, loaded, routed to, acknowledged by the gateway.",
            lambda: Epoch(number=promote(first.version, "the first version")),
        )
        before = self._step(
            "people-before",
            Usage,
            f"{scaled(steps.people_before)} simulated people use it through the gateway, and vote.",
            lambda: self._use(0, scaled(steps.people_before)),
        )
        snapshot = self._step(
            "snapshot",
            Snapshotted,
            "Making their votes a snapshot: redacted, split by who and what, versioned with DVC.",
            self._collect,
        )
        second = self._step(
            "second-version",
            Trained,
            f"Training a challenger on the seed and {snapshot.counts['pairs']} choices of people (SFT, DPO); "
            "then the gate.",
            lambda: train(
                snapshot.digest,
                (
                    *steps.sft(steps.sft_steps),
                    f"dpo.steps={scaled(steps.dpo_steps)}",
                    *steps.evaluation,
                ),
            ),
        )
        after = evidence = None
        if second.evaluation.verdict.accepted:
            told = self._step(
                "experiment",
                Told,
                f"Starting the experiment: {second.version} against {first.version}, half the people each.",
                lambda: Told(message=str(experiment(_HASTE, return_state=True).message)),
            )
            if told.message.endswith("has started"):
                after = self._step(
                    "people-after",
                    Usage,
                    f"{scaled(steps.people_after)} other people use both, and choose between them blindly.",
                    lambda: self._use(1, scaled(steps.people_after)),
                )
                evidence = self._step(
                    "evidence", Evidence, "Looking at the evidence, and doing what it says.", experiment
                )
            else:
                print(f"  Nobody meets the challenger: {told.message}")
        else:
            print(
                "\n* The gate refused the challenger, so nobody meets it:",
                *map(str, second.evaluation.verdict.reasons),
            )
        served = self._step(
            "served",
            Served,
            "Asking through the gateway which version answers now.",
            lambda: asyncio.run(self._ask()),
        )
        return assemble(
            first=first,
            second=second,
            usage=[u for u in (before, after) if u],
            snapshot=snapshot.counts,
            evidence=evidence,
            serving_version=" and ".join(served.versions),
            examples=self._examples(second),
            minutes=(time.time() - (self._results / "began").stat().st_mtime) / 60,
        )

    def _step(self, name: str, kind: type[R], sentence: str, do: Callable[[], object]) -> R:
        """Say what comes; do it, unless it is done; keep the result."""
        print(f"\n* {sentence}", flush=True)
        file = self._results / f"{name}.json"
        if file.exists():
            print("  done before this start", flush=True)
            return kind.model_validate_json(file.read_text(encoding="utf-8"))
        began = time.monotonic()
        result = do()
        if not isinstance(result, kind):
            raise SystemExit(f"The step {name} ended without its result: {result}")
        file.write_text(result.model_dump_json(), encoding="utf-8")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        return result

    def _use(self, wave: int, people: int) -> Usage:
        """A wave of people, with messages that neither a training nor the other wave has."""
        messages = corpus.read_lines(_MESSAGES, corpus.Message)
        random.Random(0).shuffle(messages)
        config = configs.load(PeopleConfig, _CONFIGS / "people.yaml", [f"people={people}", f"seed={wave}"])
        errands = simulated_people.errands(config, [message.text for message in messages[wave::2]])
        return asyncio.run(simulated_people.use(config, self.settings.gateway_url, _KEY, errands))

    def _collect(self) -> Snapshotted:
        ended = collect(("minimum=20",), return_state=True)
        made = ended.result()  # None when it ended well without one
        if not isinstance(made, Made):
            raise SystemExit(f"There is no snapshot to train on: {ended.message}")
        return Snapshotted(digest=made.digest, counts=made.counts)

    async def _ask(self) -> Served:
        """Ask for twenty people: while an experiment runs, they are answered by two versions."""
        url, headers = f"{self.settings.gateway_url}/api/v1/transform", {"X-API-Key": _KEY}
        seen: Counter[str] = Counter()
        async with aiohttp.ClientSession(headers=headers) as http:
            for number in range(20):
                body = {
                    "text": "Fix the login page before Monday.",
                    "transform_type": "soften",
                    "intensity": 2,
                    "user_id": f"asks-at-the-end-{number}",
                }
                async with http.post(url, json=body) as answer:
                    answer.raise_for_status()
                    seen[(await answer.json())["version"]] += 1
        return Served(versions=[version for version, _ in seen.most_common()])

    def _examples(self, second: Trained) -> list[Example]:
        """Three held-out messages, drawn at random, as people would be given them by both versions."""
        with (second.run / "evaluation" / "outputs.jsonl").open(encoding="utf-8", newline="\n") as lines:
            drawn = [json.loads(line) for line in random.Random(0).sample([*lines], 3)]
        return [
            Example(
                message=row["text"],
                asked=f"{row['transform_type']} {row['intensity']}",
                champion=row["rewrites"]["champion_protected"]["text"],
                challenger=row["rewrites"]["challenger_protected"]["text"],
            )
            for row in drawn
        ]


def walk(config: DemoConfig) -> None:
    """The steps, in a process whose environment names the running stack."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # of loading weights: half a second, many lines
    settings = Settings()
    identities.bootstrap(database.engine_of(settings), _KEY, settings.organisation)
    report = Walk(config, settings).run()
    page = report.write(settings.artifacts / "demo")
    print()
    report.show()
    print(f"\nThe report: {page}, and report.json beside it. It took {report.minutes:.1f} minutes.")


def main(config: DemoConfig, arguments: list[str]) -> int:
    """Start the stack, walk in a child that gets its addresses, stop the stack; the child's exit code."""
    state = Path(".tonebridge/demo")
    if (state / "finished").exists():
        shutil.rmtree(state)
    print("Starting Postgres, Valkey, the inference service, the gateway and Prefect.", flush=True)
    # Of so few people a holdout would say nothing.
    wanted = Settings(state=state, database_url=None, redis_url=None, mlflow_uri=None, holdout_share=0)
    with local.servers(local.with_free_ports(wanted)) as settings:
        with local.running(settings, "inference", "gateway", "prefect") as processes:
            processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
            processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez")
            processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health", 120)
            command = [sys.executable, "-m", "simulation.demo", *arguments, "--walk"]
            quiet = {"PREFECT_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
            env = {**environment(settings), **quiet}
            code = subprocess.run(command, env=env, check=False).returncode  # noqa: S603
        if code == 0:
            (state / "finished").touch()
    return code


if __name__ == "__main__":
    *words, last = sys.argv[1:] or [""]
    if last == "--walk":
        walk(configs.from_command_line(DemoConfig, words))
    else:
        wanted = configs.from_command_line(DemoConfig, sys.argv[1:])
        try:
            raise SystemExit(main(wanted, sys.argv[1:]))
        except KeyboardInterrupt:
            raise SystemExit(
                "\nStopped. The same command goes on with the step that was not finished."
            ) from None
