"""Simulates all settings and scenarios in worker processes, and writes the report.

Each setting is simulated without an effect (A/A) and with one (A/B). There is an analysis after every batch
of users. The A/A experiments give the rate of false winners. The A/B experiments give the coverage over all
analyses, the power, and the time to a decision. As controls, the same data also goes through a fixed-horizon
test and through the mistake typical of the setting.

The result of each finished setting is stored in the output folder, under a digest of everything that
determines it, the code included. A later run reads it instead of simulating the setting again.

Worker processes are spawned. A spawned process does not import the `__main__` of a package, so their code is
here.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

import configs
from data.worker_processes import make_pool
from experiments.calibration import (
    bandits,
    between_users,
    capped,
    changes,
    information,
    judges,
    launch_series,
    pasts,
    procedure,
    rankings,
    sample_ratios,
    side_by_side,
    stratified,
)
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.judges import JUDGES
from experiments.calibration.plot import plot
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import (
    AdjustedResult,
    BanditResult,
    ChangeResult,
    Estimate,
    InformationResult,
    JudgeResult,
    LaunchResult,
    ProcedureResult,
    RankingResult,
    Report,
    SampleRatioResult,
    SettingResult,
    find_missed_targets,
    replace_tables,
)
from experiments.calibration.scenarios import SCENARIOS
from experiments.calibration.side_by_side import VOTERS
from experiments.plan import Plan

DOCS = Path(__file__).parents[2] / "docs"
_FOLDER = Path(__file__).parent
# Modules of experiments/ that determine a result, and files of this folder that do not.
_DETERMINING = (
    "analysis",
    "bandit",
    "columns",
    "effects",
    "estimators",
    "launches",
    "lifecycle",
    "metrics",
    "novelty",
    "own_metrics",
    "plan",
    "power",
    "progress",
    "ranking",
    "recommendation",
    "sequential",
    "strata",
    "surrogate",
    "validity",
)
# `segments` has a report of its own.
_NOT_DETERMINING = ("__init__.py", "__main__.py", "plot.py", "segments.py")

_Result = (
    SettingResult
    | SampleRatioResult
    | BanditResult
    | AdjustedResult
    | ChangeResult
    | InformationResult
    | JudgeResult
    | LaunchResult
    | RankingResult
    | ProcedureResult
)


class _Study(NamedTuple):
    """How a setting is simulated, chunk by chunk, and how its chunks become a result."""

    simulate: Callable[[CalibrationConfig, Plan, str, int, int], dict[str, Any]]
    summarise: Callable[[CalibrationConfig, Plan, str, list[dict[str, Any]]], _Result]
    result_type: type[_Result]


_STUDIES = {
    **{name: _Study(between_users.simulate, between_users.summarise, SettingResult) for name in SETTINGS},
    **{name: _Study(side_by_side.simulate, side_by_side.summarise, SettingResult) for name in VOTERS},
    "sample_ratio": _Study(sample_ratios.simulate, sample_ratios.summarise, SampleRatioResult),
    **{
        name: _Study(information.simulate, information.summarise, InformationResult)
        for name in information.KINDS
    },
    **{name: _Study(judges.simulate, judges.summarise, JudgeResult) for name in JUDGES},
    **{name: _Study(pasts.simulate, pasts.summarise, AdjustedResult) for name in pasts.KINDS},
    pasts.LATENCIES: _Study(pasts.simulate_latencies, pasts.summarise, AdjustedResult),
    **{name: _Study(stratified.simulate, stratified.summarise, AdjustedResult) for name in stratified.KINDS},
    **{name: _Study(capped.simulate, capped.summarise, AdjustedResult) for name in capped.KINDS},
    **{name: _Study(changes.simulate, changes.summarise, ChangeResult) for name in changes.KINDS},
    "bandits": _Study(bandits.simulate, bandits.summarise, BanditResult),
    "launches": _Study(launch_series.simulate, launch_series.summarise, LaunchResult),
    **{name: _Study(rankings.simulate, rankings.summarise, RankingResult) for name in rankings.KINDS},
    **{name: _Study(procedure.simulate, procedure.summarise, ProcedureResult) for name in SCENARIOS},
}


def list_determining_files() -> list[Path]:
    """The source files that determine a result: the code under test, and the code that tests it."""
    files = [_FOLDER.with_name(f"{name}.py") for name in _DETERMINING]
    return files + sorted(file for file in _FOLDER.glob("*.py") if file.name not in _NOT_DETERMINING)


def _compute_digest(config: CalibrationConfig, plan: Plan) -> str:
    """A digest of everything that determines a result: the config, the plan, the code."""
    fields = config.model_dump_json(exclude={"processes", "out", "write", "plan"}) + plan.model_dump_json()
    code = [file.read_bytes() for file in list_determining_files()]
    return blake2b(fields.encode() + b"".join(code), digest_size=6).hexdigest()


def _simulate_chunk(
    config: CalibrationConfig, plan: Plan, name: str, chunk: tuple[int, int]
) -> dict[str, Any]:
    """Simulate a chunk, given as its index and its number of experiments, in a worker process."""
    return _STUDIES[name].simulate(config, plan, name, *chunk)


def _list_chunks(config: CalibrationConfig, name: str) -> list[tuple[int, int]]:
    """The chunks of a setting or scenario, each as its index and its number of experiments."""
    total, size = config.experiments, config.chunk
    if name in SCENARIOS:
        total, size = config.procedure_experiments, procedure.CHUNK
    return [(index, min(size, total - start)) for index, start in enumerate(range(0, total, size))]


def main(config: CalibrationConfig, settings: Collection[str] = tuple(_STUDIES)) -> Report:
    """Simulate the settings and scenarios that have no stored result: all of them, or those that `settings`
    names, which are at least `sample_ratio` and `bandits`. Write the report and its plot to `config.out`, and
    with `config.write` to docs/ as well, and the tables to docs/calibration.md.
    """
    plan = configs.load(Plan, config.plan)
    config.out.mkdir(parents=True, exist_ok=True)
    digest = _compute_digest(config, plan)
    chunks = {name: _list_chunks(config, name) for name in settings}
    results: dict[str, Any] = {}
    with (
        make_pool(config.processes) as pool,
        tqdm(total=sum(map(len, chunks.values())), unit="chunk", disable=None) as bar,
    ):
        map_chunks = map if config.processes == 1 else pool.map
        for name in settings:
            study = _STUDIES[name]
            bar.set_description(name)
            file = config.out / f"{name}-{digest}.json"
            if file.exists():
                results[name] = study.result_type.model_validate_json(file.read_text(encoding="utf-8"))
                bar.update(len(chunks[name]))
                continue
            simulated = []
            for chunk in map_chunks(partial(_simulate_chunk, config, plan, name), chunks[name]):
                simulated.append(chunk)
                bar.update()
            results[name] = study.summarise(config, plan, name, simulated)
            # A killed run must not leave half a file under the final name.
            part = file.with_suffix(".part")
            part.write_text(results[name].model_dump_json(indent=1), encoding="utf-8")
            part.rename(file)
    report = _build_report(config, plan, results)
    for folder, name in [(config.out, "report")] + [(DOCS / "results", "calibration")] * config.write:
        (folder / f"{name}.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for folder in [config.out] + [DOCS] * config.write:
        plot(report, folder / "calibration.png")
    if config.write:
        page = DOCS / "calibration.md"
        page.write_text(replace_tables(page.read_text(encoding="utf-8"), report), encoding="utf-8")
    return report


def _build_report(config: CalibrationConfig, plan: Plan, results: Mapping[str, Any]) -> Report:
    settings = {name: result for name, result in results.items() if isinstance(result, SettingResult)}
    courses = {name: result for name, result in results.items() if isinstance(result, ProcedureResult)}
    ranked = {name: result for name, result in results.items() if isinstance(result, RankingResult)}

    def collect(figure: str) -> dict[str, Estimate]:
        return {name: getattr(result.shipped, figure) for name, result in settings.items()}

    return Report(
        aa_false_winner_rate=collect("aa_false_winner_rate"),
        coverage=collect("coverage"),
        wrong_winner_rate=collect("wrong_winner_rate"),
        power=collect("power"),
        median_stop_ratio=collect("median_stop_ratio"),
        srm_power=results["sample_ratio"].called_broken_by,
        srm_power_restarted=results["sample_ratio"].restarted_by,
        missed=find_missed_targets(results, plan),
        experiments=config.experiments,
        looks=config.looks,
        effect=config.effect,
        seed=config.seed,
        plan=plan,
        settings=settings,
        bandits=results["bandits"],
        information={
            name: result for name, result in results.items() if isinstance(result, InformationResult)
        },
        procedure=courses,
        launches=results.get("launches"),
        ranking=ranked,
        surrogate={name: result for name, result in results.items() if isinstance(result, JudgeResult)},
        changes={name: result for name, result in results.items() if isinstance(result, ChangeResult)},
        adjusted={name: result for name, result in results.items() if isinstance(result, AdjustedResult)},
    )
