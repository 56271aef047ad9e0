"""The flow `train`: a snapshot becomes a registered version, and a challenger if the gate lets it.

    sft -> dpo -> export -> evaluate and gate -> register

A run's folder is named by what decides its result, so a run that was killed goes on where it stopped when it
is started again: finished stages are read back, a training stage resumes from its last checkpoint.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import psycopg
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database, routing
from data.tables import Lineage, Snapshot, Version
from models import card, dpo, evaluation, export, loading, sft, versions
from models.dpo import DpoConfig
from models.evaluation import EvaluateConfig, Evaluation
from models.sft import SftConfig

_CONFIGS = Path(__file__).parent.parent / "configs"
_LOCK = 0x7472_6169_6E  # "train"
_MINIMUM_PAIRS = 20  # fewer say more about chance than about people
_AGREEMENT_MESSAGES = 16


class Trained(BaseModel):
    """A registered version and what the gate said of it."""

    model_config = ConfigDict(frozen=True)

    version: str
    method: str
    run: Path
    evaluation: Evaluation


class _Weights(NamedTuple):
    """What a stage leaves: an adapter on a base, or whole weights that are the next stage's base."""

    base: str
    adapter: Path | None

    @classmethod
    def after(cls, out: Path, base: str, whole: bool) -> "_Weights":
        return cls(str(out), None) if whole else cls(base, out)


@contextlib.contextmanager
def training_lock(url: str) -> Iterator[bool]:
    """Whether this process may train. The lock belongs to a session, so a kill -9 frees it at once."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        yield bool(row and row[0])


def overrides_of(stage: str, overrides: Sequence[str]) -> list[str]:
    """The `key=value` of one stage from `stage.key=value`; ValueError when a stage is unknown."""
    for override in overrides:
        if override.partition(".")[0] not in ("sft", "dpo", "evaluate"):
            raise ValueError(f"{override!r}: write sft.key=value, dpo.key=value or evaluate.key=value")
    return [o.removeprefix(f"{stage}.") for o in overrides if o.startswith(f"{stage}.")]


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_sft(config: SftConfig) -> sft.SftResult:
    """The stage, or its result when this run has finished it already."""
    done = config.out / "metrics.json"
    return sft.SftResult.model_validate_json(done.read_text()) if done.exists() else sft.main(config)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_dpo(config: DpoConfig) -> dpo.DpoResult:
    """The stage, or its result when this run has finished it already."""
    done = config.out / "metrics.json"
    return dpo.DpoResult.model_validate_json(done.read_text()) if done.exists() else dpo.main(config)


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_export(base: str, adapter: Path | None, out: Path) -> Path:
    """The version folder, its quantised copy checked against the weights that it was made from."""
    if not (out / "version.json").exists():
        export.export(loading.base_folder(base), adapter, out)
    cases = evaluation.test_cases(EvaluateConfig.model_fields["test_folder"].default, _AGREEMENT_MESSAGES)
    export.agreement(out, [(case.text, case.transform_type, case.intensity) for case in cases])
    return out


@task(retries=1, retry_delay_seconds=10, cache_policy=NO_CACHE)
def run_evaluation(config: EvaluateConfig) -> Evaluation:
    """The stage, or its result when this run has finished it already."""
    done = config.out / "metrics.json"
    return Evaluation.model_validate_json(done.read_text()) if done.exists() else evaluation.main(config)


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
        edges = [(f"run:{run.name}", f"version:{name}")]
        if snapshot is not None:
            edges.append((f"snapshot:{snapshot}", f"run:{run.name}"))
            session.execute(
                update(Snapshot).where(Snapshot.digest == snapshot).values(trained_at=datetime.now(UTC))
            )
        for source, target in edges:
            session.execute(insert(Lineage).values(source=source, target=target).on_conflict_do_nothing())
    if found.verdict.accepted:
        versions.set_alias(settings.registry_uri, "challenger", name)
    return name


@flow(name="train")
def train(snapshot: str | None = None, overrides: Sequence[str] = ()) -> Trained | State[Trained]:
    """Train on the seed and a snapshot (the seed alone when none is named), gate the result and register it.

    `overrides` change a stage's yaml: `sft.steps=40`. Ends well as "skipped" while another training runs.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with training_lock(settings.database_url) as may_train:
            if not may_train:
                return Completed(message="skipped: another training is running", name="Skipped")
            return _train(settings, engine, snapshot, overrides)
    finally:
        engine.dispose()


def _train(settings: Settings, engine: Engine, snapshot: str | None, overrides: Sequence[str]) -> Trained:
    log = get_run_logger()
    with Session(engine) as session:
        live = routing.current(session)
        champion = live[1].champion.version if live else None
        stored = session.get(Snapshot, snapshot) if snapshot else None
    if snapshot and stored is None:
        raise ValueError(f"there is no snapshot {snapshot}; `collect` makes them")
    if stored and not stored.accepted:
        raise ValueError(f"snapshot {snapshot} was refused: {' '.join(stored.reasons)}")
    folder = Path(stored.path) if stored else None

    decides = "\0".join([snapshot or "", champion or "", *overrides])
    run = settings.state / "runs" / blake2b(decides.encode(), digest_size=8).hexdigest()
    run.mkdir(parents=True, exist_ok=True)
    kept = f"checkpoints={run / 'checkpoints'}"
    snapshots = f"snapshots={[str(folder)] if folder else []}"
    log.info(
        "training in %s, on the seed and %s", run, f"snapshot {snapshot}" if snapshot else "nothing else"
    )

    wanted = [f"base={settings.base}", kept, snapshots, f"out={run / 'sft'}"]
    sft_config = configs.load(SftConfig, _CONFIGS / "sft.yaml", [*wanted, *overrides_of("sft", overrides)])
    run_sft(sft_config)
    trained, method = _Weights.after(sft_config.out, settings.base, whole=not sft_config.lora_rank), "sft"
    pairs = int(stored.counts["pairs"]) if stored else 0
    held_out = int(stored.counts["pairs_validation"]) if stored else 0
    if pairs >= _MINIMUM_PAIRS and held_out:
        wanted = [
            f"base={trained.base}",
            f"adapter={trained.adapter or 'null'}",
            kept,
            snapshots,
            f"out={run / 'dpo'}",
        ]
        dpo_config = configs.load(
            DpoConfig, _CONFIGS / "dpo.yaml", [*wanted, *overrides_of("dpo", overrides)]
        )
        run_dpo(dpo_config)
        trained, method = _Weights.after(dpo_config.out, settings.base, whole=not dpo_config.adapter), "dpo"
    log.info(
        "method %s: %d pairs of at least %d, %d of them held out", method, pairs, _MINIMUM_PAIRS, held_out
    )

    version = run_export(trained.base, trained.adapter, run / "version")
    base_version = export.base_version(settings.base, settings.state / "base-version")
    rival = versions.download(settings.registry_uri, champion) if champion else base_version
    found = run_evaluation(
        configs.load(
            EvaluateConfig,
            _CONFIGS / "evaluate.yaml",
            [
                f"version={version}",
                f"champion={rival}",
                f"base={settings.base}",
                f"base_version={base_version}",
                snapshots,
                f"out={run / 'evaluation'}",
                *overrides_of("evaluate", overrides),
            ],
        )
    )
    origin = card.Origin(
        run=run.name,
        base=settings.base,
        method=method,
        parent=champion,
        snapshot=snapshot,
        counts=stored.counts if stored else {},
    )
    card.write(version, origin, found)
    name = register(settings, engine, run, found, method, snapshot, champion)
    log.info("%s: %s", name, "accepted" if found.verdict.accepted else "; ".join(found.verdict.reasons))
    return Trained(version=name, method=method, run=run, evaluation=found)
