"""The sample: an experiment that has ended, so that the dashboard shows its worth before there is a real one.

It is a real one of simulated people: the flow started, analysed and ended it in `make month`, and it was
kept from there with its times drawn out to days:

    TONEBRIDGE_DATABASE_URL=... python -m pipelines.sample_experiment EXPERIMENT_ID SECONDS_A_DAY

`make up` stores it, marked as a sample, when there is no experiment yet. Nothing else takes it into account.
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
_SIDES = 6
_SPANS = ("hours", "days", "minimum_days")  # values of reasons that are spans of time
_HOURS = ("window_hours", "hours_a_step")
_DAYS = ("minimum_days", "maximum_days")


def keep(engine: Engine, experiment_id: uuid.UUID, seconds_a_day: float) -> dict[str, Any]:
    """An experiment that has ended, as JSON; its times are days before its end. ValueError when it has not
    ended.
    """
    scale = _SECONDS_A_DAY / seconds_a_day
    with Session(engine) as session:
        row = session.get_one(Experiment, experiment_id)
        if row.ended_at is None or row.started_at is None:
            raise ValueError(f"experiment {experiment_id} has not ended; the sample is one that has")
        ended_at = row.ended_at

        def ago(at: datetime) -> float:
            return round((ended_at - at).total_seconds() * scale / _SECONDS_A_DAY, 4)

        variants = session.scalars(select(Variant).where(Variant.experiment_id == row.id)).all()
        names = {one.name: BASELINE if one.is_baseline else CHALLENGER for one in variants}
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
        kept = {
            "name": row.name,
            "hypothesis": row.hypothesis,
            "status": row.status,
            "plan": plan,
            "created": ago(row.created_at),
            "started": ago(row.started_at),
            "analyses": [{"at": ago(one.analysed_at), "evidence": one.evidence} for one in analyses],
            "decisions": [
                {
                    "at": ago(one.created_at),
                    **{name: getattr(one, name) for name in ("action", "requested_by", "outcome")},
                    "reasons": dump(one.reasons),
                    "parameters": {k: v for k, v in one.parameters.items() if k == "share"},
                }
                for one in decisions
            ],
            "counts": [_columns(one, ("epoch", "variant", "exposed", "moved", "closed")) for one in counts],
            "sums": [
                _columns(
                    one,
                    ("epoch", "variant", "metric", "segment", "bin", "n", "x", "xx", "y", "yy", "xy"),
                )
                for one in sums
            ],
            "sides": _sides(session, names),
        }
    return dict(_renamed(kept, names, scale))


def _columns(row: Any, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _sides(session: Session, names: Mapping[str, str]) -> list[dict[str, Any]]:
    found = session.execute(
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
    for message, transform_type, intensity, one, version, other in found:
        texts = (one, other) if names[version] == BASELINE else (other, one)
        sides.append(
            {"message": message, "transform_type": transform_type, "intensity": intensity, "texts": texts}
        )
    return sides


def _renamed(value: Any, names: Mapping[str, str], scale: float) -> Any:
    """Give versions the names that they have in the sample, and scale the spans of time in reasons."""
    if isinstance(value, str):
        for name, of_sample in names.items():
            value = re.sub(rf"\b{re.escape(name)}\b", of_sample, value)
        return value
    if isinstance(value, Mapping):
        renamed = {_renamed(key, names, scale): _renamed(part, names, scale) for key, part in value.items()}
        if value.keys() == {"code", "values"}:
            renamed["values"] |= {
                name: scale * value["values"][name] for name in _SPANS if name in value["values"]
            }
        return renamed
    if isinstance(value, list | tuple):
        return [_renamed(part, names, scale) for part in value]
    return value


def store(engine: Engine, organisation: str, file: Path = FILE) -> bool:
    """Store the sample when there is no experiment yet; whether it was stored."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    ended_at = datetime.now(UTC) - timedelta(hours=1)

    def at(days_ago: float) -> datetime:
        return ended_at - timedelta(days=days_ago)

    with Session(engine) as session, session.begin():
        if session.scalar(select(Experiment.id).limit(1)) is not None:
            return False
        own = session.scalars(select(Organisation.id).where(Organisation.name == organisation)).one()
        experiment_id = new_id()
        session.add(
            Experiment(
                id=experiment_id,
                **{name: kept[name] for name in ("name", "hypothesis", "status", "plan")},
                salt="",
                is_sample=True,
                created_at=at(kept["created"]),
                started_at=at(kept["started"]),
                ended_at=ended_at,
            )
        )
        specs = {name: Spec(version=name) for name in (BASELINE, CHALLENGER)}
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
        about = {"experiment_id": experiment_id}
        for analysis in kept["analyses"]:
            evidence = Evidence.model_validate(analysis["evidence"])
            session.add(
                Analysis(
                    **about,
                    analysed_at=at(analysis["at"]),
                    evidence=evidence.model_dump(mode="json"),
                )
            )
        for number, decided in enumerate(kept["decisions"]):
            when, reasons = at(decided.pop("at")), load(decided.pop("reasons"))
            session.add(
                Decision(
                    **about,
                    **decided,
                    reasons=reasons,
                    idempotency_key=f"{experiment_id}:{number}",
                    created_at=when,
                    claimed_at=when,
                    done_at=when,
                )
            )
        session.execute(insert(ArmCount), [{**about, **one} for one in kept["counts"]])
        session.execute(insert(MetricSum), [{**about, **one} for one in kept["sums"]])
        for side in kept["sides"]:
            _store_side(session, own, specs, side)
    return True


def _store_side(
    session: Session, organisation_id: uuid.UUID, specs: Mapping[str, Spec], side: Mapping[str, Any]
) -> None:
    outputs = [
        Output(
            id=new_id(),
            organisation_id=organisation_id,
            **{name: side[name] for name in ("message", "transform_type", "intensity")},
            text=written,
            facts_missing=[],
            spec_digest=spec.digest,
            version=spec.version,
            upstream_ms=0.0,
        )
        for written, spec in zip(side["texts"], specs.values(), strict=True)
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
    found = keep(database.engine_of(Settings()), uuid.UUID(sys.argv[1]), float(sys.argv[2]))
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{FILE}: {found['name']}, {len(found['analyses'])} analyses")
