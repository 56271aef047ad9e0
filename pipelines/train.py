"""The flow `train`: trains on a snapshot, and evaluates and registers the resulting version.

    sft -> reward -> dpo or kto -> grpo -> export -> evaluate and gate -> register     of text
                               edit_dpo -> export -> evaluate and gate -> register     of edits

The new version writes as the champion does: whole texts, for which `models.methods` chooses the methods from
the available feedback, or edits. A version that the gate accepts becomes the challenger.

A run's folder is named by everything that determines its result. So a killed run resumes when it is started
again: the results of finished stages are read from their files, and an unfinished training stage resumes from
its last checkpoint.

Only one process trains, on whichever machine: it has the lock `train` of Postgres, and with it all folders
of runs, which are in the shared state folder. A killed process or a lost machine frees the lock
(`data.database.lock`), and `pipelines.crashed_runs` starts its run again. A process that loses the lock,
because Postgres restarts, stops itself as crashed.
"""

import _thread
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.logging.handlers import APILogHandler
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import configs
from configs.settings import Device, Settings
from data import corpus, database
from data.reasons import Reason, ReasonedError, reason, render
from data.snapshots import folders, teachers
from data.tables import Lineage, Snapshot, Version, VersionOrder
from data.traffic import routing
from models import (
    card,
    dpo,
    edit_dpo,
    evaluation,
    export,
    grpo,
    kto,
    methods,
    reward,
    sft,
    shipped,
    tagger,
    training,
    version_file,
    versions,
)
from models.dpo import DpoConfig
from models.edit_dpo import EditDpoConfig
from models.edits.writer import rules_digest
from models.evaluation import EvaluateConfig
from models.export import ExportConfig
from models.grpo import GrpoConfig, GrpoResult
from models.kto import KtoConfig
from models.methods import Choice, MethodsConfig
from models.results import Evaluation, Verdict
from models.reward import RewardConfig
from models.sft import SftConfig
from pipelines.registration import register
from pipelines.run_reasons import FlowError, complete, label_failure
from serving.observability.start import watch

_CONFIGS = Path(__file__).parent.parent / "configs"
_AGREEMENT_MESSAGES = 16


class Trained(BaseModel):
    """A registered version and its evaluation."""

    model_config = ConfigDict(frozen=True)

    version: str
    method: str
    run: Path
    evaluation: Evaluation


class UnhealthyError(ReasonedError):
    """A stage was stopped because a logged figure left its healthy range; a plot shows the figure.

    Prefect keeps the plot's path, so it is the one below the state folder.
    """

    def __init__(self, stage: str, faults: Sequence[Reason], plot: Path) -> None:
        super().__init__("stage_unhealthy", stage=stage, plot=str(plot), details=faults)


class _Weights(NamedTuple):
    """The weights after a stage: an adapter on a base, or a whole model as the next stage's base."""

    base: str
    adapter: Path | None

    @classmethod
    def after(cls, out: Path, base: str, whole: bool) -> "_Weights":
        return cls(str(out), None) if whole else cls(base, out)


class _Made(NamedTuple):
    """What a training has made: the version folder, the methods, the base's name, the reward model, the
    reasons to reject the version, whatever the gate says, and the snapshots of teachers that it learned from.
    """

    version: Path
    method: str
    base: str
    reward: Path | None = None
    objections: tuple[Reason, ...] = ()
    teachers: tuple[Path, ...] = ()


class Stage(NamedTuple):
    """A stage: the class of its config, the class of its result, and its function."""

    config: type[configs.StageConfig]
    result: type[BaseModel]
    main: Callable[[Any], BaseModel]


STAGES = {
    "sft": Stage(SftConfig, sft.SftResult, sft.main),
    "reward": Stage(RewardConfig, reward.RewardResult, reward.main),
    "dpo": Stage(DpoConfig, dpo.DpoResult, dpo.main),
    "kto": Stage(KtoConfig, kto.KtoResult, kto.main),
    "grpo": Stage(GrpoConfig, GrpoResult, grpo.main),
    "edit_dpo": Stage(EditDpoConfig, edit_dpo.EditDpoResult, edit_dpo.main),
    "evaluate": Stage(EvaluateConfig, Evaluation, evaluation.main),
}

_CONFIG_CLASSES = {name: stage.config for name, stage in STAGES.items()} | {
    "methods": MethodsConfig,
    "export": ExportConfig,
}


def stage_config(stage: str, fixed: Sequence[str], overrides: Sequence[str]) -> Any:
    """The config of a stage: its yaml file, then the run's `fixed` values, then this stage's overrides."""
    path = _CONFIGS / f"{stage}.yaml"
    return configs.load(_CONFIG_CLASSES[stage], path, [*fixed, *_own(stage, overrides)])


def _own(stage: str, overrides: Sequence[str]) -> list[str]:
    """The overrides of one stage, without its name."""
    return [o.removeprefix(f"{stage}.") for o in overrides if o.startswith(f"{stage}.")]


def refuse_unknown(overrides: Sequence[str]) -> None:
    """Raise FlowError when an override names no stage."""
    for override in overrides:
        if override.partition(".")[0] not in _CONFIG_CLASSES:
            stages = ", ".join(_CONFIG_CLASSES)
            raise FlowError("override_without_stage", override=override, stages=stages)


@contextlib.contextmanager
def _log_to_prefect() -> Iterator[None]:
    """Context manager: sends the log of `models`, such as the remaining time, to the run's log in Prefect."""
    logger, handler = logging.getLogger("models"), APILogHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(get_run_logger().getEffectiveLevel())
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def _name_plot(settings: Settings, out: Path) -> Path:
    """The plot of a stage's figures, as a path below the state folder."""
    return (out / "health.png").relative_to(settings.state)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE, task_run_name="{stage}")
def run_stage(stage: str, config: Any) -> BaseModel:
    """Run a stage, or read its result when this run has finished it already."""
    metrics = config.out / training.METRICS_FILE
    if metrics.exists():
        return STAGES[stage].result.model_validate_json(metrics.read_text(encoding="utf-8"))
    with _log_to_prefect():
        return STAGES[stage].main(config)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_export(config: ExportConfig, device: Device) -> Path:
    """Export the version folder, and compare its quantised copy with the weights it was made from."""
    if not (config.out / "version.json").exists():
        export.main(config)
    cases = evaluation.draw_cases(evaluation.test_cases(corpus.SEED / "test"), _AGREEMENT_MESSAGES, 0)
    messages = [(case.text, case.transform_type, case.intensity) for case in cases]
    export.agreement(config.out, messages, device=device)
    return config.out


def _stop() -> None:
    """End this process as Ctrl-C does, so that Prefect marks its run as crashed. What a shell has started in
    the background ignores Ctrl-C; it ends as by `kill`, and Prefect marks the run likewise.
    """
    if callable(signal.getsignal(signal.SIGINT)):
        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGTERM)


@flow(name="train", on_failure=[label_failure])
def train(snapshot: str | None = None, overrides: Sequence[str] = ()) -> Trained | State[Trained]:
    """Train on the seed corpus and a snapshot (without one on the seed alone), evaluate, gate and register.

    `overrides` change values of a stage's yaml file: `sft.steps=40`. The flow completes as "Skipped" while
    another training runs, and as "Refused" when a stage was stopped as unhealthy or found nothing to learn,
    since then there is no version to evaluate.
    """
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "train", wait=False, on_loss=_stop) as may_train:
            if not may_train:
                return complete("Skipped", reason("training_running"))
            return _train(settings, engine, snapshot, overrides)
    except (UnhealthyError, edit_dpo.NothingToLearnError) as error:
        get_run_logger().warning(str(error))
        return complete("Refused", *error.reasons)
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
        raise FlowError("no_such_snapshot", snapshot=snapshot)
    if stored and not stored.accepted:
        raise FlowError("snapshot_rejected", snapshot=stored.digest, details=stored.reasons)
    folder = folders.find(settings.state, stored.digest, stored.path) if stored else None

    limits: MethodsConfig = stage_config("methods", [], overrides)
    form = limits.form or (live.routing.champion.form if live else "text")
    # What else determines the result: teachers for text; for edits what an update of the software changes.
    paths = list_teacher_snapshots(settings, overrides, "sft", "dpo") if form == "text" else []
    of_edits = (shipped.run_name(settings.champion), rules_digest()) if form == "edits" else ()
    sources = (*(path.name for path in paths), *of_edits)
    key = "\0".join([snapshot or "", champion or "", *sources, *overrides])
    run = settings.state / "runs" / blake2b(key.encode(), digest_size=8).hexdigest()
    run.mkdir(parents=True, exist_ok=True)
    # Written before training, so that an erasure also finds runs that were stopped or refused.
    with Session(engine) as session, session.begin():
        for digest in [*([snapshot] if snapshot else []), *(path.name for path in paths)]:
            session.execute(
                insert(Lineage)
                .values(source=f"snapshot:{digest}", target=f"run:{run.name}")
                .on_conflict_do_nothing()
            )
    snapshots = [folder] if folder else []
    if form == "edits":
        made = _make_edits_version(settings, run, snapshots, overrides)
    else:
        made = _make_text_version(settings, run, snapshots, limits, overrides)
    more = [
        f"reward={made.reward or 'null'}",
        f"snapshots={[str(path) for path in snapshots]}",
    ]
    config = evaluation_config(settings, engine, run, champion, [*more, *_own("evaluate", overrides)])
    evaluated = run_stage("evaluate", config)
    assert isinstance(evaluated, Evaluation)
    if made.objections:
        verdict = Verdict(
            accepted=False,
            reasons=(*evaluated.verdict.reasons, *made.objections),
            notes=evaluated.verdict.notes,
        )
        evaluated = evaluated.model_copy(update={"verdict": verdict})
    origin = card.Origin(
        run=run.name,
        base=made.base,
        method=made.method,
        parent=champion,
        snapshot=snapshot,
        counts=stored.counts if stored else {},
        teachers=tuple(filter(None, map(teachers.read, made.teachers))),
    )
    card.write(made.version, origin, evaluated)
    name = register(settings, engine, run, evaluated, made.method, snapshot, champion)
    verdict = evaluated.verdict
    log.info("%s: %s", name, "accepted" if verdict.accepted else render(verdict.reasons))
    return Trained(version=name, method=made.method, run=run, evaluation=evaluated)


def _make_text_version(
    settings: Settings,
    run: Path,
    snapshots: Sequence[Path],
    limits: MethodsConfig,
    overrides: Sequence[str],
) -> _Made:
    """Train by the methods that the feedback allows, and export the last weights."""
    log = get_run_logger()
    may_sample = torch.cuda.is_available() if limits.may_sample is None else limits.may_sample
    choice = methods.choose(methods.feedback(snapshots), _count_seed_rows(overrides), may_sample, limits)
    log.info("training in %s by %s", run, choice.method)
    for line in choice.why:
        log.info(line)
    trained, objections, skipped = _run_training(settings, run, snapshots, choice, overrides)
    choice = choice.model_copy(update=dict.fromkeys(skipped, False))
    fixed = [f"base={trained.base}", f"adapter={trained.adapter or 'null'}", f"out={run / 'version'}"]
    version = run_export(stage_config("export", fixed, overrides), settings.device)
    reward_model = run / "reward" if choice.reward else None
    used = list_teacher_snapshots(
        settings, overrides, "sft", *(["dpo"] if choice.preference == "dpo" else [])
    )
    return _Made(version, choice.method, settings.base, reward_model, objections, tuple(used))


def _make_edits_version(
    settings: Settings, run: Path, snapshots: Sequence[Path], overrides: Sequence[str]
) -> _Made:
    """Train the tagger that comes with the software on the snapshots; without any it is the version itself.

    Raises UnhealthyError when the votes taught nothing.
    """
    if snapshots:
        fixed = [f"tagger={settings.champion}", f"snapshots={[str(folder) for folder in snapshots]}"]
        config = stage_config("edit_dpo", [*fixed, f"out={run / 'edit_dpo'}"], overrides)
        get_run_logger().info("training the tagger in %s", run)
        result: Any = run_stage("edit_dpo", config)
        if result.unhealthy:
            raise UnhealthyError("edit_dpo", result.unhealthy, _name_plot(settings, config.out))
        method, trained = "edit_dpo", config.out
    else:
        method, trained = "tagger", shipped.copy_tagger(settings.champion, run / "tagger")
    version = run / "version"
    if not (version / version_file.NAME).exists():
        tagger.export(trained, version)
    return _Made(version, method, shipped.BASE)


def list_teacher_snapshots(settings: Settings, overrides: Sequence[str], *stages: str) -> list[Path]:
    """The snapshots of teachers that these stages are configured to learn from.

    Raises FlowError when one is not among the installation's snapshots, where an erasure finds it.
    """
    configured = [stage_config(stage, [], overrides).teachers for stage in stages]
    paths = list(dict.fromkeys(path.resolve() for folders in configured for path in folders))
    snapshots = (folders.repository(settings.state) / "snapshots").resolve()
    for path in paths:
        if path.parent != snapshots or teachers.read(path) is None:
            raise FlowError("no_teacher_snapshot", path=str(path), folder=str(snapshots))
    return paths


def evaluation_config(
    settings: Settings, engine: Engine, run: Path, champion: str | None, overrides: Sequence[str]
) -> EvaluateConfig:
    """How the version in a run's folder is evaluated: against the champion, or the bare base without one, and
    against the first champion of its line. `overrides` change values of `configs/evaluate.yaml`.
    """
    base_version = export.base_version(settings.base, settings.state / "base-version")
    rival = first = base_version
    if champion:
        with Session(engine) as session:
            first_champion = _find_first(session, champion)
        rival = versions.download(settings.registry_uri, settings.artifact_store, champion)
        first = versions.download(settings.registry_uri, settings.artifact_store, first_champion)
    fixed = [
        f"version={run / 'version'}",
        f"champion={rival}",
        f"first_champion={first}",
        f"draw={int(run.name, 16)}",  # other cases every time, so that no line of versions learns them
        f"base={settings.base}",
        f"base_version={base_version}",
        f"out={run / 'evaluation'}",
        f"device={settings.device}",
    ]
    return configs.load(EvaluateConfig, _CONFIGS / "evaluate.yaml", [*fixed, *overrides])


def _find_first(session: Session, champion: str) -> str:
    """The first version of a champion's line of parents whose weights still exist, by its name."""
    retired = select(VersionOrder.version).where(VersionOrder.action == "retire")
    line = (
        select(Version.name, Version.parent, literal(0).label("age"))
        .where(Version.name == champion)
        .cte("line", recursive=True)
    )
    older = select(Version.name, Version.parent, line.c.age + 1).join(line, Version.name == line.c.parent)
    line = line.union_all(older)
    first = select(line.c.name).where(line.c.name.not_in(retired)).order_by(line.c.age.desc()).limit(1)
    return session.scalar(first) or champion


def _count_seed_rows(overrides: Sequence[str]) -> int:
    config = stage_config("sft", [], overrides)
    return sum(1 for _ in sft.seed_demonstrations(config.seed_folder)) if config.seed_folder else 0


def _run_training(
    settings: Settings, run: Path, snapshots: Sequence[Path], choice: Choice, overrides: Sequence[str]
) -> tuple[_Weights, tuple[Reason, ...], tuple[str, ...]]:
    """Run the training stages, each from the weights of the one before.

    Returns the last weights, the reasons to reject them (empty when there are none), and the chosen stages
    that were skipped: GRPO is, when its reward is no valid judge of the policy that it would train.
    Raises UnhealthyError when a stage was stopped.
    """

    def configure(stage: str, start: _Weights | None, *more: str) -> Any:
        fixed = [
            f"base={start.base if start else settings.base}",
            f"checkpoints={run / 'checkpoints'}",
            f"snapshots={[str(folder) for folder in snapshots]}",
            f"out={run / stage}",
            *more,
        ]
        if start is not None:
            fixed.append(f"adapter={start.adapter or 'null'}")
        return stage_config(stage, fixed, overrides)

    def train_stage(stage: str, config: Any) -> Any:
        result: Any = run_stage(stage, config)
        if result.unhealthy:
            raise UnhealthyError(stage, result.unhealthy, _name_plot(settings, config.out))
        return result

    whole = not stage_config("sft", [], overrides).lora_rank
    config = configure("sft", None, f"repeats={choice.repeats}")
    train_stage("sft", config)
    trained = _Weights.after(config.out, settings.base, whole)
    reward_model = None
    if choice.reward:
        config = configure("reward", trained)
        train_stage("reward", config)
        reward_model = config.out
    if choice.preference:
        config = configure(choice.preference, trained)
        train_stage(choice.preference, config)
        trained = _Weights.after(config.out, settings.base, whole)
    if not choice.grpo:
        return trained, (), ()
    config = configure("grpo", trained, f"reward={reward_model}")
    refusal = grpo.measure_validity(config).refusal
    if refusal is not None and not config.waive_validity:
        get_run_logger().warning("GRPO is skipped. %s", refusal)
        return trained, (), ("grpo",)
    result = train_stage("grpo", config)
    return _Weights.after(config.out, settings.base, whole), result.reasons, ()
