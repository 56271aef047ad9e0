"""The sample: an ended experiment that the dashboard of a new installation shows.

It is a real experiment with simulated people: the flow started, analysed and ended it in `make month`. This
command exported it, with its times stretched to days:

    TONEBRIDGE_DATABASE_URL=... python -m pipelines.sample_experiment EXPERIMENT_ID SECONDS_A_DAY

`make up` stores it, marked as a sample, when there is no experiment yet. No statistic and no limit counts it.
"""

import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.reasons import dump, load
from data.records import Spec
from data.tables import (
    Analysis,
    ArmCount,
    Comparison,
    Decision,
    Experiment,
    MetricSum,
    Organisation,
    Output,
    StoredSpec,
    Variant,
    new_id,
)
from experiments.evidence import Evidence

FILE = Path(__file__).parent.parent / "data" / "seed" / "sample.json"
BASELINE, CHALLENGER = "sample-1", "sample-2"
_SECONDS_A_DAY = 86_400.0
_SIDES = 6  # pairs of rewrites in the sample
_DURATIONS = ("hours", "days", "minimum_days")  # the values of reasons that are durations
_HOURS = ("window_hours", "hours_a_step", "hours_a_person")
_DAYS = ("minimum_days", "maximum_days")
_COUNT_COLUMNS = ("epoch", "variant", "exposed", "moved", "closed")
_SUM_COLUMNS = ("epoch", "variant", "metric", "segment", "bin", "n", "x", "xx", "y", "yy", "xy")


def export(engine: Engine, experiment_id: uuid.UUID, seconds_a_day: float) -> dict[str, Any]:
    """An ended experiment as JSON; its times are in days before its end.

    `seconds_a_day` is the length of a day in the month that the experiment comes from. ValueError when the
    experiment has not ended.
    """
    scale = _SECONDS_A_DAY / seconds_a_day
    with Session(engine) as session:
        row = session.get_one(Experiment, experiment_id)
        if row.ended_at is None or row.started_at is None:
            raise ValueError(f"experiment {experiment_id} has not ended; choose one that has")
        ended_at = row.ended_at

        def days_before_end(moment: datetime) -> float:
            return round((ended_at - moment).total_seconds() * scale / _SECONDS_A_DAY, 4)

        variants = session.scalars(select(Variant).where(Variant.experiment_id == row.id)).all()
        names = {variant.name: BASELINE if variant.is_baseline else CHALLENGER for variant in variants}
        plan = {**row.plan}
        plan.update({name: round(plan[name] * scale, 2) for name in (*_HOURS, *_DAYS)})
        analyses = session.scalars(
            select(Analysis).where(Analysis.experiment_id == row.id).order_by(Analysis.analysed_at)
        )
        decisions = session.scalars(
            select(Decision).where(Decision.experiment_id == row.id).order_by(Decision.created_at)
        )
        counts = session.scalars(select(ArmCount).where(ArmCount.experiment_id == row.id))
        sums = session.scalars(
            select(MetricSum).where(
                MetricSum.experiment_id == row.id, MetricSum.segment.not_like("organisation=%")
            )
        )
        sample = {
            "name": row.name,
            "hypothesis": row.hypothesis,
            "status": row.status,
            "plan": plan,
            "created": days_before_end(row.created_at),
            "started": days_before_end(row.started_at),
            "analyses": [
                {"at": days_before_end(analysis.analysed_at), "evidence": analysis.evidence}
                for analysis in analyses
            ],
            "decisions": [_export_decision(row, days_before_end(row.created_at)) for row in decisions],
            "counts": [_read_columns(row, _COUNT_COLUMNS) for row in counts],
            "sums": [_read_columns(row, _SUM_COLUMNS) for row in sums],
            "sides": _read_sides(session, names),
        }
    return dict(_rename(sample, names, scale))


def _export_decision(row: Decision, days_before_end: float) -> dict[str, Any]:
    return {
        "at": days_before_end,
        **{name: getattr(row, name) for name in ("action", "requested_by", "outcome")},
        "reasons": dump(row.reasons),
        "parameters": {name: value for name, value in row.parameters.items() if name == "share"},
    }


def _read_columns(row: Any, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _read_sides(session: Session, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Messages with the rewrites of both arms, the baseline's first."""
    rows = session.execute(
        text(
            "SELECT DISTINCT ON (a.message) a.message, a.transform_type, a.intensity, a.text, a.version,"
            " b.text"
            " FROM comparisons c JOIN outputs a ON a.id = c.first_output_id"
            " JOIN outputs b ON b.id = c.second_output_id"
            " WHERE c.policy = 'champion_against_challenger' AND a.text <> b.text"
            " AND a.version = ANY(:names) AND b.version = ANY(:names) ORDER BY a.message LIMIT :most"
        ),
        {"names": list(names), "most": _SIDES},
    )
    sides = []
    for message, transform_type, intensity, first, version_of_first, second in rows:
        texts = (first, second) if names[version_of_first] == BASELINE else (second, first)
        sides.append(
            {"message": message, "transform_type": transform_type, "intensity": intensity, "texts": texts}
        )
    return sides


def _rename(value: Any, names: Mapping[str, str], scale: float) -> Any:
    """Replace the names of versions by those of the sample, and scale the durations in reasons."""
    if isinstance(value, str):
        for name, sample_name in names.items():
            value = re.sub(rf"\b{re.escape(name)}\b", sample_name, value)
        return value
    if isinstance(value, Mapping):
        renamed = {_rename(key, names, scale): _rename(part, names, scale) for key, part in value.items()}
        if value.keys() == {"code", "values"}:
            renamed["values"] |= {
                name: scale * value["values"][name] for name in _DURATIONS if name in value["values"]
            }
        return renamed
    if isinstance(value, list | tuple):
        return [_rename(part, names, scale) for part in value]
    return value


def store(engine: Engine, organisation: str, file: Path = FILE) -> bool:
    """Store the sample when there is no experiment yet. Returns whether it was stored.

    `organisation` is the name of the organisation that gets the sample's outputs.
    """
    sample = json.loads(file.read_text(encoding="utf-8"))
    ended_at = datetime.now(UTC) - timedelta(hours=1)
    with Session(engine) as session, session.begin():
        if session.scalar(select(Experiment.id).limit(1)) is not None:
            return False
        organisation_id = session.scalars(
            select(Organisation.id).where(Organisation.name == organisation)
        ).one()
        experiment_id = new_id()
        specs = {name: Spec(version=name) for name in (BASELINE, CHALLENGER)}
        _store_experiment(session, experiment_id, specs, sample, ended_at)
        _store_evidence(session, experiment_id, sample, ended_at)
        for side in sample["sides"]:
            _store_side(session, organisation_id, specs, side)
    return True


def _store_experiment(
    session: Session,
    experiment_id: uuid.UUID,
    specs: Mapping[str, Spec],
    sample: Mapping[str, Any],
    ended_at: datetime,
) -> None:
    session.add(
        Experiment(
            id=experiment_id,
            **{name: sample[name] for name in ("name", "hypothesis", "status", "plan")},
            salt="",
            is_sample=True,
            created_at=ended_at - timedelta(days=sample["created"]),
            started_at=ended_at - timedelta(days=sample["started"]),
            ended_at=ended_at,
        )
    )
    for spec in specs.values():
        session.merge(StoredSpec(digest=spec.digest, spec=spec.model_dump(mode="json")))
    session.flush()
    for name, spec in specs.items():
        session.add(
            Variant(
                experiment_id=experiment_id,
                name=name,
                spec_digest=spec.digest,
                is_baseline=name == BASELINE,
            )
        )


def _store_evidence(
    session: Session, experiment_id: uuid.UUID, sample: Mapping[str, Any], ended_at: datetime
) -> None:
    """Store the analyses, the decisions and the counts of the sample."""
    keys = {"experiment_id": experiment_id}
    for analysis in sample["analyses"]:
        evidence = Evidence.model_validate(analysis["evidence"])
        session.add(
            Analysis(
                **keys,
                analysed_at=ended_at - timedelta(days=analysis["at"]),
                evidence=evidence.model_dump(mode="json"),
            )
        )
    for number, decision in enumerate(sample["decisions"]):
        moment, reasons = ended_at - timedelta(days=decision.pop("at")), load(decision.pop("reasons"))
        session.add(
            Decision(
                **keys,
                **decision,
                reasons=reasons,
                idempotency_key=f"{experiment_id}:{number}",
                created_at=moment,
                claimed_at=moment,
                done_at=moment,
            )
        )
    session.execute(insert(ArmCount), [{**keys, **row} for row in sample["counts"]])
    session.execute(insert(MetricSum), [{**keys, **row} for row in sample["sums"]])


def _store_side(
    session: Session, organisation_id: uuid.UUID, specs: Mapping[str, Spec], side: Mapping[str, Any]
) -> None:
    outputs = [
        Output(
            id=new_id(),
            organisation_id=organisation_id,
            **{name: side[name] for name in ("message", "transform_type", "intensity")},
            text=rewrite,
            facts_missing=[],
            spec_digest=spec.digest,
            version=spec.version,
            upstream_ms=0.0,
        )
        for rewrite, spec in zip(side["texts"], specs.values(), strict=True)
    ]
    session.add_all(outputs)
    session.flush()
    session.add(
        Comparison(
            organisation_id=organisation_id,
            user_id=uuid.UUID(int=0),
            policy="champion_against_challenger",
            first_output_id=outputs[0].id,
            second_output_id=outputs[1].id,
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m pipelines.sample_experiment EXPERIMENT_ID SECONDS_A_DAY")
    exported = export(database.engine_of(Settings()), uuid.UUID(sys.argv[1]), float(sys.argv[2]))
    FILE.write_text(json.dumps(exported, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{FILE}: {exported['name']}, {len(exported['analyses'])} analyses")
