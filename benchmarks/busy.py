"""Steps of SFT on a quiet machine and next to two busy processes: `python -m benchmarks.busy`, 14 minutes.

OpenMP's threads spin while they wait, and a spinning thread takes the time that another one needs. So each
setting of its threads is measured alone and next to two processes that compute all the time. Prints the
median seconds of a step and writes them to `artifacts/bench/busy.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

import configs
from models import sft, training
from models.sft import SftConfig

_STEPS, _WARM_UP = 12, 2
SETTINGS: dict[str, dict[str, str]] = {
    "spinning, a thread for each core": {"OMP_WAIT_POLICY": "ACTIVE"},
    "libraries' defaults": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "passive, one thread": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
}


class _Clock(TrainerCallback):
    """Takes the time at the end of each step."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take the time."""
        self.times_s.append(time.perf_counter())


def measure(folder: Path) -> list[float]:
    """The seconds of each step of a short SFT run in this process, without the first ones."""
    clock = _Clock()
    config = configs.load(
        SftConfig,
        "configs/sft.yaml",
        [
            *(f"out={folder / 'sft'}", f"checkpoints={folder / 'checkpoints'}", f"steps={_STEPS}"),
            *(f"evaluate_every_steps={_STEPS}", f"checkpoint_every_steps={_STEPS}", "validation_rows=1"),
        ],
    )
    with training.add_callback(clock):
        sft.main(config)
    return [after - before for before, after in zip(clock.times_s, clock.times_s[1:], strict=False)][
        _WARM_UP:
    ]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Context manager: so many processes that compute all the time."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _child(settings: dict[str, str]) -> list[float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    with tempfile.TemporaryDirectory(prefix="tonebridge-busy-") as folder:
        out = Path(folder) / "steps.json"
        command = [sys.executable, "-m", "benchmarks.busy", "--child", folder, str(out)]
        subprocess.run(command, check=True, env=environment | settings)  # noqa: S603
        return json.loads(out.read_text())  # type: ignore[no-any-return]


def main() -> dict[str, dict[str, float]]:
    """The median seconds of a step by setting, quiet and busy."""
    report: dict[str, dict[str, float]] = {}
    for name, settings in SETTINGS.items():
        report[name] = {}
        for state, count in (("quiet", 0), ("busy", 2)):
            with neighbours(count):
                report[name][state] = statistics.median(_child(settings))
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        Path(chosen.child[1]).write_text(json.dumps(measure(Path(chosen.child[0]))))
    else:
        report = main()
        print("| OpenMP | quiet, s a step | next to two busy processes |\n|---|---|---|")
        for name, row in report.items():
            print(f"| {name} | {row['quiet']:.2f} | {row['busy']:.2f} |")
        file = Path("artifacts/bench/busy.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=1))
