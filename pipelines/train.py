"""The flow `train`: a snapshot becomes a registered version, and a challenger if the gate lets it.

    sft -> reward -> dpo or kto -> grpo -> export -> evaluate and gate -> register

Which of the methods are used, `models.methods` says from the feedback that there is.
A run's folder is named by what decides its result, so a run that was killed goes on where it stopped when it
is started again: finished stages are read back, a training stage resumes from its last checkpoint.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.reasons import Reason, render
from data.tables import Lineage, Snapshot, Version
from data.traffic import routing
from models import (
    card,
    dpo,
    evaluation,
    export,
    grpo,
    kto,
    loading,
    methods,
    reward,
    sft,
    training,
    versions,
)
from models.dpo import DpoConfig
from models.evaluation import EvaluateConfig, Evaluation
from models.gate import Verdict
from models.grpo import GrpoConfig, GrpoResult
from models.kto import KtoConfig
from models.methods import Choice, MethodsConfig
from models.reward import RewardConfig
from models.sft import SftConfig

_CONFIGS = Path(__file__).parent.parent / "configs"
_AGREEMENT_MESSAGES = 16


class Trained(BaseModel):
    """A registered version and what the gate said of it."""

    model_config = ConfigDict(frozen=True)

    version: str
    method: str
    run: Path
    evaluation: Evaluation


class UnhealthyError(ValueError):
    """A stage was stopped because what its trainer logged left the healthy range; a plot shows it."""

    def __init__(self, stage: str, faults: Sequence[str], plot: Path) -> None:
        super().__init__(f"{stage} was not healthy: {'; '.join(faults)}; see {plot}")


class _Weights(NamedTuple):
    """What a stage leaves: an adapter on a base, or whole weights that are the next stage's base."""

    base: str
    adapter: Path | None

    @classmethod
    def after(cls, out: Path, base: str, whole: bool) -> "_Weights":
        return cls(str(out), None) if whole else cls(base, out)


class Stage(NamedTuple):
    """What a stage is run with: the class of its config and of its result, and its function."""

    config: type[configs.StageConfig]
    result: type[BaseModel]
    main: Callable[[Any], BaseModel]


STAGES = {
    "sft": Stage(SftConfig, sft.SftResult, sft.main),
    "reward": Stage(RewardConfig, reward.RewardResult, reward.main),
    "dpo": Stage(DpoConfig, dpo.DpoResult, dpo.main),
    "kto": Stage(KtoConfig, kto.KtoResult, kto.main),
    "grpo": Stage(GrpoConfig, GrpoResult, grpo.main),
    "evaluate": Stage(EvaluateConfig, Evaluation, evaluation.main),
}


_CONFIGS_OF = {name: stage.config for name, stage in STAGES.items()} | {"methods": MethodsConfig}


def stage_config(stage: str, fixed: Sequence[str], overrides: Sequence[str]) -> Any:
    """The config of a stage: its yaml, what the run fixes, then what its caller overrides."""
    own = [o.removeprefix(f"{stage}.") for o in overrides if o.startswith(f"{stage}.")]
    return configs.load(_CONFIGS_OF[stage], _CONFIGS / f"{stage}.yaml", [*fixed, *own])


def refuse_unknown(overrides: Sequence[str]) -> None:
    """ValueError when an override is of no stage."""
    for override in overrides:
        if override.partition(".")[0] not in _CONFIGS_OF:
            raise ValueError(f"{override!r}: write stage.key=value; the stages are {', '.join(_CONFIGS_OF)}")


@contextlib.contextmanager
def _models_told() -> Iterator[None]:
    """What `models` logs meanwhile, such as how long it will take, stands in the run's log in Prefect too."""
    logger, handler = logging.getLogger("models"), APILogHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(get_run_logger().getEffectiveLevel())
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE, task_run_name="{stage}")
def run_stage(stage: str, config: Any) -> BaseModel:
    """A stage, or its result when this run has finished it already."""
    done = config.out / training.METRICS_FILE
    if done.exists():
        return STAGES[stage].result.model_validate_json(done.read_text(encoding="utf-8"))
    with _models_told():
        return STAGES[stage].main(config)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_export(base: str, adapter: Path | None, out: Path) -> Path:
    """The version folder, its quantised copy checked against the weights that it was made from."""
    if not (out / "version.json").exists():
        export.export(loading.base_folder(base), adapter, out)
    cases = evaluation.test_cases(EvaluateConfig.model_fields["test_folder"].default, _AGREEMENT_MESSAGES)
    export.agreement(out, [(case.text, case.transform_type, case.intensity) for case in cases])
    return out


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def register(
    settings: Settings,
    engine: Engine,
    run: Path,
    found: Evaluation,
    method: str,
    snapshot: str | None,
    parent: str | None,
) -> str:
    """Put the version into the MLflow registry with its lineage; an accepted one becomes the challenger."""
    name = versions.register(
        settings.registry_uri,
        settings.state / "mlflow",
        run,
        found,
        {"method": method, "snapshot": snapshot or "", "parent": parent or ""},
    )
    with Session(engine) as session, session.begin():
        session.execute(
            insert(Version)
            .values(
                name=name,
                parent=parent,
                run_id=run.name,
                method=method,
                metrics={key: value.mean for key, value in found.systems["challenger"].items()},
                accepted=found.verdict.accepted,
                reasons=list(found.verdict.reasons),
            )
            .on_conflict_do_nothing()
        )
        if snapshot is not None:
            session.execute(
                update(Snapshot).where(Snapshot.digest == snapshot).values(trained_at=datetime.now(UTC))
            )
        session.execute(
            insert(Lineage)
            .values(source=f"run:{run.name}", target=f"version:{name}")
            .on_conflict_do_nothing()
        )
    if found.verdict.accepted:
        versions.set_alias(settings.registry_uri, "challenger", name)
    return name


@flow(name="train")
def train(snapshot: str | None = None, overrides: Sequence[str] = ()) -> Trained | State[Trained]:
    """Train on the seed and a snapshot (the seed alone when none is named), gate the result and register it.

    `overrides` change a stage's yaml: `sft.steps=40`. Ends well as "skipped" while another training runs, and
    as "Refused" when a stage was stopped because it was not healthy: then there is nothing to measure.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "train", wait=False) as may_train:
            if not may_train:
                return Completed(message="skipped: another training is running", name="Skipped")
            return _train(settings, engine, snapshot, overrides)
    except UnhealthyError as error:
        get_run_logger().warning(str(error))
        return Completed(message=str(error), name="Refused")
    finally:
        engine.dispose()


def _train(settings: Settings, engine: Engine, snapshot: str | None, overrides: Sequence[str]) -> Trained:
    refuse_unknown(overrides)
    log = get_run_logger()
    with Session(engine) as session:
        live = routing.current(session)
        champion = live.routing.champion.version if live else None
        stored = session.get(Snapshot, snapshot) if snapshot else None
    if snapshot and stored is None:
        raise ValueError(f"there is no snapshot {snapshot}; `collect` makes them")
    if stored and not stored.accepted:
        raise ValueError(f"snapshot {snapshot} was rejected: {render(stored.reasons)}")
    folder = Path(stored.path) if stored else None

    decides = "\0".join([snapshot or "", champion or "", *overrides])
    run = settings.state / "runs" / blake2b(decides.encode(), digest_size=8).hexdigest()
    run.mkdir(parents=True, exist_ok=True)
    if snapshot:  # noted before anything is learned: an erasure finds runs that were stopped or refused, too
        with Session(engine) as session, session.begin():
            session.execute(
                insert(Lineage)
                .values(source=f"snapshot:{snapshot}", target=f"run:{run.name}")
                .on_conflict_do_nothing()
            )
    snapshots = [folder] if folder else []
    limits: MethodsConfig = stage_config("methods", [], overrides)
    may_sample = torch.cuda.is_available() if limits.may_sample is None else limits.may_sample
    chosen = methods.choose(methods.feedback(snapshots), _seed_rows(overrides), may_sample, limits)
    log.info("training in %s by %s", run, chosen.method)
    for reason in chosen.why:
        log.info(reason)

    trained, hacked = _learn(settings, run, snapshots, chosen, overrides)
    version = run_export(trained.base, trained.adapter, run / "version")
    base_version = export.base_version(settings.base, settings.state / "base-version")
    rival = versions.download(settings.registry_uri, champion) if champion else base_version
    wanted = [
        f"version={version}",
        f"champion={rival}",
        f"base={settings.base}",
        f"base_version={base_version}",
        f"reward={run / 'reward' if chosen.reward else 'null'}",
        f"snapshots={[str(one) for one in snapshots]}",
        f"out={run / 'evaluation'}",
    ]
    found = run_stage("evaluate", stage_config("evaluate", wanted, overrides))
    assert isinstance(found, Evaluation)
    if hacked:
        verdict = Verdict(accepted=False, reasons=(*found.verdict.reasons, *hacked))
        found = found.model_copy(update={"verdict": verdict})
    origin = card.Origin(
        run=run.name,
        base=settings.base,
        method=chosen.method,
        parent=champion,
        snapshot=snapshot,
        counts=stored.counts if stored else {},
    )
    card.write(version, origin, found)
    name = register(settings, engine, run, found, chosen.method, snapshot, champion)
    log.info("%s: %s", name, "accepted" if found.verdict.accepted else render(found.verdict.reasons))
    return Trained(version=name, method=chosen.method, run=run, evaluation=found)


def _seed_rows(overrides: Sequence[str]) -> int:
    config = stage_config("sft", [], overrides)
    return sum(1 for _ in sft.seed_demonstrations(config.seed_folder)) if config.seed_folder else 0


def _learn(
    settings: Settings, run: Path, snapshots: Sequence[Path], chosen: Choice, overrides: Sequence[str]
) -> tuple[_Weights, tuple[Reason, ...]]:
    """The stages of learning, each from where the one before it has come: what the last one left, and why its
    reward is not to be believed, if it is not.
    """
    hacked: tuple[Reason, ...] = ()

    def learn(stage: str, start: _Weights | None, *more: str) -> Path:
        wanted = [
            f"base={start.base if start else settings.base}",
            f"checkpoints={run / 'checkpoints'}",
            f"snapshots={[str(folder) for folder in snapshots]}",
            f"out={run / stage}",
            *more,
        ]
        if start is not None:
            wanted.append(f"adapter={start.adapter or 'null'}")
        config = stage_config(stage, wanted, overrides)
        result: Any = run_stage(stage, config)
        if result.unhealthy:
            raise UnhealthyError(stage, result.unhealthy, config.out / "health.png")
        return Path(config.out)

    whole = not stage_config("sft", [], overrides).lora_rank
    out = learn("sft", None, f"repeats={chosen.repeats}")
    trained = _Weights.after(out, settings.base, whole)
    judge = learn("reward", trained) if chosen.reward else None
    if chosen.preference:
        trained = _Weights.after(learn(chosen.preference, trained), settings.base, whole)
    if chosen.grpo:
        out = learn("grpo", trained, f"reward={judge}")
        hacked = GrpoResult.model_validate_json((out / training.METRICS_FILE).read_text()).hacked
        trained = _Weights.after(out, settings.base, whole)
    return trained, hacked
