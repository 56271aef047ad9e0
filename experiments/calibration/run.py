"""Measures what is promised of the evidence, on simulated experiments whose truth is known.

    python -m experiments.calibration configs/calibrate.yaml
    python -m experiments.calibration configs/calibrate.yaml experiments=1000 out=/tmp/calibration

Each setting is simulated between equals (is there ever a winner?) and with an effect (is it covered at every
look, found, and how soon?), with a look after every batch. Beside it, on the same data, stand a test that is
meant for one look, and the mistake that the setting invites. Looks are judged by arrays: `judge` must say
what `analysis.between_users` says, and at a sample of looks of each run that is asserted.

Writes `report.json` and `calibration.png`, prints what is not reached, and fails when the report in
docs/results had reached it. Each finished setting is kept in the folder, by what decides it, this code
included, and is not simulated again.
"""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

import configs
from experiments.calibration import bandits, between_users, sample_ratios, side_by_side
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.plot import plot
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import Bandits, Estimate, Measured, Report, SampleRatio, missed
from experiments.calibration.side_by_side import VOTERS
from experiments.plan import Plan

_CHUNK = 250  # experiments that are simulated together
_FOLDER = Path(__file__).parent
_NOT_DECIDING = ("__init__.py", "__main__.py", "plot.py")
_DECIDING = ("analysis", "bandit", "effects", "estimators", "sequential")
DOCS = _FOLDER.parents[1] / "docs"

_Simulate = Callable[[CalibrationConfig, Plan, str, int, int], dict[str, Any]]


class _Study(NamedTuple):
    simulate: _Simulate
    sum_up: Callable[[CalibrationConfig, Plan, str, list[dict[str, Any]]], Measured | SampleRatio | Bandits]
    kind: type[Measured] | type[SampleRatio] | type[Bandits]


_STUDIES = {
    **{name: _Study(between_users.simulate, between_users.sum_up, Measured) for name in SETTINGS},
    **{name: _Study(side_by_side.simulate, side_by_side.sum_up, Measured) for name in VOTERS},
    "sample_ratio": _Study(sample_ratios.simulate, sample_ratios.sum_up, SampleRatio),
    "bandits": _Study(bandits.simulate, bandits.sum_up, Bandits),
}


def _chunk(config: CalibrationConfig, plan: Plan, name: str, chunk: tuple[int, int]) -> dict[str, Any]:
    return _STUDIES[name].simulate(config, plan, name, *chunk)


def _digest(config: CalibrationConfig, plan: Plan) -> str:
    """Names what decides a result: config, plan, the code that is measured and the code that measures."""
    about = config.model_dump_json(exclude={"processes", "out", "write", "plan"}) + plan.model_dump_json()
    files = [_FOLDER.with_name(f"{name}.py") for name in _DECIDING]
    files += sorted(file for file in _FOLDER.glob("*.py") if file.name not in _NOT_DECIDING)
    code = [file.read_bytes() for file in files]
    return blake2b(about.encode() + b"".join(code), digest_size=6).hexdigest()


def main(config: CalibrationConfig) -> Report:
    """Simulate what is not there yet, and write the report and its plot."""
    plan = configs.load(Plan, config.plan)
    config.out.mkdir(parents=True, exist_ok=True)
    digest = _digest(config, plan)
    chunks = [
        (place, min(_CHUNK, config.experiments - start))
        for place, start in enumerate(range(0, config.experiments, _CHUNK))
    ]
    found: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(config.processes, mp_context=context) as pool,
        tqdm(total=len(_STUDIES) * len(chunks), unit="chunk", disable=None) as bar,
    ):
        run = map if config.processes == 1 else pool.map
        for name, study in _STUDIES.items():
            bar.set_description(name)
            file = config.out / f"{name}-{digest}.json"
            if file.exists():
                found[name] = study.kind.model_validate_json(file.read_text(encoding="utf-8"))
                bar.update(len(chunks))
                continue
            done = []
            for one in run(partial(_chunk, config, plan, name), chunks):
                done.append(one)
                bar.update()
            found[name] = study.sum_up(config, plan, name, done)
            part = file.with_suffix(".part")
            part.write_text(found[name].model_dump_json(indent=1), encoding="utf-8")
            part.rename(file)  # whole or not at all
    report = _report(config, plan, found)
    for folder, name in [(config.out, "report")] + [(DOCS / "results", "calibration")] * config.write:
        (folder / f"{name}.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for folder in [config.out] + [DOCS] * config.write:
        plot(report, folder / "calibration.png")
    return report


def _report(config: CalibrationConfig, plan: Plan, found: Mapping[str, Any]) -> Report:
    settings = {name: one for name, one in found.items() if isinstance(one, Measured)}

    def of(figure: str) -> dict[str, Estimate]:
        return {name: getattr(one.shipped, figure) for name, one in settings.items()}

    return Report(
        aa_false_winner_rate=of("aa_false_winner_rate"),
        coverage=of("coverage"),
        wrong_winner_rate=of("wrong_winner_rate"),
        power=of("power"),
        median_stop_ratio=of("median_stop_ratio"),
        srm_power=found["sample_ratio"].called_broken_by,
        missed=list(missed(settings)),
        experiments=config.experiments,
        looks=config.looks,
        effect=config.effect,
        seed=config.seed,
        plan=plan,
        settings=settings,
        bandits=found["bandits"],
    )
