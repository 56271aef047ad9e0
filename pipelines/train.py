"""The flow `train`: trains a version on a snapshot, evaluates it, and registers it.

    sft -> reward -> dpo or kto -> grpo -> export -> evaluate and gate -> register

`models.methods` chooses the methods by the amount of feedback. A run's folder is named by a hash of its
inputs, so a killed run resumes when it is started again: results of finished stages are read from the folder,
and a training stage resumes from its last checkpoint.
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
_AGREEMENT_MESSAGES = 16  # on which the quantised and the original weights are compared


class Trained(BaseModel):
    """A registered version with its evaluation and the verdict of the gate."""

    model_config = ConfigDict(frozen=True)

    version: str
    method: str
    run: Path
    evaluation: Evaluation


class UnhealthyError(ValueError):
    """A stage was stopped because a logged figure left its healthy range. The message names the plot."""

    def __init__(self, stage: str, faults: Sequence[str], plot: Path) -> None:
        super().__init__(f"{stage} was not healthy: {'; '.join(faults)}; see {plot}")


class _Weights(NamedTuple):
    """The weights after a stage: an adapter on a base, or full weights, which are the next stage's base."""

    base: str
    adapter: Path | None

    @classmethod
    def after_stage(cls, out: Path, base: str, is_full: bool) -> "_Weights":
        return cls(str(out), None) if is_full else cls(base, out)


class Stage(NamedTuple):
    """A stage: the classes of its config and of its result, and the function that runs it."""

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


_CONFIG_CLASSES = {name: stage.config for name, stage in STAGES.items()} | {"methods": MethodsConfig}


def stage_config(stage: str, fixed: Sequence[str], overrides: Sequence[str]) -> Any:
    """The config of a stage: its yaml, then the run's `fixed` fields, then the caller's overrides.

    `fixed` are key=value; `overrides` are stage.key=value, and those of other stages are ignored.
    """
    own = [override.removeprefix(f"{stage}.") for override in overrides if override.startswith(f"{stage}.")]
    return configs.load(_CONFIG_CLASSES[stage], _CONFIGS / f"{stage}.yaml", [*fixed, *own])


def refuse_unknown(overrides: Sequence[str]) -> None:
    """ValueError when an override names no known stage."""
    for override in overrides:
        if override.partition(".")[0] not in _CONFIG_CLASSES:
            known = ", ".join(_CONFIG_CLASSES)
            raise ValueError(f"{override!r}: write stage.key=value; the stages are {known}")


@contextlib.contextmanager
def _forward_model_logs() -> Iterator[None]:
    """Context manager: sends the log lines of `models`, such as the expected duration, to Prefect as well."""
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
    """Run a stage and return its result. A stage that this run has finished is read from its file."""
    result_file = config.out / training.METRICS_FILE
    if result_file.exists():
        return STAGES[stage].result.model_validate_json(result_file.read_text(encoding="utf-8"))
    with _forward_model_logs():
        return STAGES[stage].main(config)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_export(base: str, adapter: Path | None, out: Path) -> Path:
    """Export the version folder, and check that its quantised weights agree with the original ones."""
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
    result: Evaluation,
    method: str,
    snapshot: str | None,
    parent: str | None,
) -> str:
    """Register the version in MLflow and record its lineage. An accepted version becomes the challenger.

    Returns the name of the version.
    """
    name = versions.register(
        settings.registry_uri,
        settings.state / "mlflow",
        run,
        result,
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
                metrics={key: value.mean for key, value in result.systems["challenger"].items()},
                accepted=result.verdict.accepted,
                reasons=list(result.verdict.reasons),
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
    if result.verdict.accepted:
        versions.set_alias(settings.registry_uri, "challenger", name)
    return name


@flow(name="train")
def train(snapshot: str | None = None, overrides: Sequence[str] = ()) -> Trained | State[Trained]:
    """Train on the seed corpus and on a snapshot, if one is named. Evaluate, gate and register the result.

    `overrides` change a stage's yaml: `sft.steps=40`. Completes as "Skipped" while another training runs, and
    as "Refused" when a stage was stopped because it was not healthy. ValueError for a snapshot that is
    unknown or rejected.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "train", wait=False) as may_train:
            if not may_train:
                return Completed(
                    message="another training is running; try again when it has ended", name="Skipped"
                )
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
        raise ValueError(f"there is no snapshot {snapshot}; the flow `collect` writes them")
    if stored and not stored.accepted:
        raise ValueError(f"snapshot {snapshot} was rejected: {render(stored.reasons)}")
    snapshots = [Path(stored.path)] if stored else []
    run = _prepare_run(settings, engine, snapshot, champion, overrides)

    limits: MethodsConfig = stage_config("methods", [], overrides)
    may_sample = torch.cuda.is_available() if limits.may_sample is None else limits.may_sample
    chosen = methods.choose(methods.feedback(snapshots), _count_seed_rows(overrides), may_sample, limits)
    log.info("training in %s with the methods %s", run, chosen.method)
    for reason in chosen.why:
        log.info(reason)

    trained, hacking_reasons = _run_training_stages(settings, run, snapshots, chosen, overrides)
    version = run_export(trained.base, trained.adapter, run / "version")
    base_version = export.base_version(settings.base, settings.state / "base-version")
    opponent = versions.download(settings.registry_uri, champion) if champion else base_version
    fixed = [
        f"version={version}",
        f"champion={opponent}",
        f"base={settings.base}",
        f"base_version={base_version}",
        f"reward={run / 'reward' if chosen.reward else 'null'}",
        f"snapshots={[str(folder) for folder in snapshots]}",
        f"out={run / 'evaluation'}",
    ]
    result = run_stage("evaluate", stage_config("evaluate", fixed, overrides))
    assert isinstance(result, Evaluation)
    if hacking_reasons:
        verdict = Verdict(accepted=False, reasons=(*result.verdict.reasons, *hacking_reasons))
        result = result.model_copy(update={"verdict": verdict})
    origin = card.Origin(
        run=run.name,
        base=settings.base,
        method=chosen.method,
        parent=champion,
        snapshot=snapshot,
        counts=stored.counts if stored else {},
    )
    card.write(version, origin, result)
    name = register(settings, engine, run, result, chosen.method, snapshot, champion)
    if result.verdict.accepted:
        log.info("the gate accepted %s", name)
    else:
        log.info("the gate rejected %s: %s", name, render(result.verdict.reasons))
    return Trained(version=name, method=chosen.method, run=run, evaluation=result)


def _prepare_run(
    settings: Settings, engine: Engine, snapshot: str | None, champion: str | None, overrides: Sequence[str]
) -> Path:
    """Create the folder of a run, and record the lineage of its snapshot.

    The lineage is recorded before the training, so that an erasure also finds runs that were stopped or
    rejected.
    """
    inputs = "\0".join([snapshot or "", champion or "", *overrides])
    run = settings.state / "runs" / blake2b(inputs.encode(), digest_size=8).hexdigest()
    run.mkdir(parents=True, exist_ok=True)
    if snapshot:
        with Session(engine) as session, session.begin():
            session.execute(
                insert(Lineage)
                .values(source=f"snapshot:{snapshot}", target=f"run:{run.name}")
                .on_conflict_do_nothing()
            )
    return run


def _count_seed_rows(overrides: Sequence[str]) -> int:
    config = stage_config("sft", [], overrides)
    return sum(1 for _ in sft.seed_demonstrations(config.seed_folder)) if config.seed_folder else 0


def _run_training_stages(
    settings: Settings, run: Path, snapshots: Sequence[Path], chosen: Choice, overrides: Sequence[str]
) -> tuple[_Weights, tuple[Reason, ...]]:
    """Run the chosen training stages; each starts from the weights of the stage before.

    Returns the final weights, and the signs that GRPO exploited its reward model, if there are any.
    UnhealthyError when a stage was stopped.
    """
    hacking_reasons: tuple[Reason, ...] = ()

    def train_stage(stage: str, start: _Weights | None, *more: str) -> Path:
        fixed = [
            f"base={start.base if start else settings.base}",
            f"checkpoints={run / 'checkpoints'}",
            f"snapshots={[str(folder) for folder in snapshots]}",
            f"out={run / stage}",
            *more,
        ]
        if start is not None:
            fixed.append(f"adapter={start.adapter or 'null'}")
        config = stage_config(stage, fixed, overrides)
        result: Any = run_stage(stage, config)
        if result.unhealthy:
            raise UnhealthyError(stage, result.unhealthy, config.out / "health.png")
        return Path(config.out)

    is_full = not stage_config("sft", [], overrides).lora_rank  # without a rank all weights are trained
    out = train_stage("sft", None, f"repeats={chosen.repeats}")
    trained = _Weights.after_stage(out, settings.base, is_full)
    reward_model = train_stage("reward", trained) if chosen.reward else None
    if chosen.preference:
        trained = _Weights.after_stage(train_stage(chosen.preference, trained), settings.base, is_full)
    if chosen.grpo:
        out = train_stage("grpo", trained, f"reward={reward_model}")
        hacking_reasons = GrpoResult.model_validate_json((out / training.METRICS_FILE).read_text()).hacked
        trained = _Weights.after_stage(out, settings.base, is_full)
    return trained, hacking_reasons
