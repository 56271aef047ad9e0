"""A running experiment of two arms, for tests of its outcomes: its users, answers and votes."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data import database
from data.records import Spec, TransformType
from data.tables import (
    Answer,
    Experiment,
    Exposure,
    Failure,
    Feedback,
    MetricSum,
    Output,
    Variant,
    new_id,
)
from data.traffic import answers, routing
from data.traffic.routing import Arm, Routing, Split
from experiments import metrics, outcomes, stored_sums
from experiments.analysis import ArmStatistics
from experiments.plan import Plan
from tests.traffic import id_at

ORGANISATION = uuid.uuid4()
CHAMPION, CHALLENGER = Spec(version="champion-of-these-tests"), Spec(version="challenger-of-these-tests")
START = datetime(2026, 1, 1, tzinfo=UTC)
PRIMARY = Plan().primary


def add_output(session: Session, version: str, text: str, cost_usd: float | None = None) -> uuid.UUID:
    row = Output(
        id=new_id(),
        organisation_id=ORGANISATION,
        message="Fix it.",
        transform_type=TransformType.SOFTEN,
        intensity=2,
        text=text,
        facts_missing=[],
        spec_digest="0" * 32,
        version=version,
        upstream_ms=1.0,
        cost_usd=cost_usd,
    )
    session.add(row)
    session.flush()
    return row.id


@contextmanager
def open_engine(url: str) -> Iterator[Engine]:
    """An engine on a database with partitions for the answers around `START`."""
    asyncio.run(answers.ensure_partitions(url, START.date() - timedelta(days=20), days=29))
    engine = database.engine(url)
    yield engine
    engine.dispose()


class Trial:
    """An experiment in the database, and its users."""

    def __init__(self, session: Session) -> None:
        self.session, self.id = session, new_id()
        session.add(Experiment(id=self.id, name="t", hypothesis="", plan={}, salt="s", status="running"))
        session.flush()

    def epoch(self, *weights: float, unit: routing.Unit = "user") -> int:
        specs = {"champion": CHAMPION, "challenger": CHALLENGER}
        arms = tuple(Arm(name=n, weight=w, spec=s) for (n, s), w in zip(specs.items(), weights, strict=True))
        split = Split(experiment_id=self.id, salt="s", arms=arms, unit=unit)
        number = routing.publish(self.session, Routing(champion=CHAMPION, experiments=(split,)), "test")
        for name, spec in specs.items():
            self.session.merge(
                Variant(
                    experiment_id=self.id,
                    name=name,
                    spec_digest=spec.digest,
                    is_baseline=name == "champion",
                )
            )
        self.session.flush()
        return number

    def expose(
        self,
        user: uuid.UUID,
        variant: str,
        epoch: int,
        minute: int = 0,
        organisation: uuid.UUID = ORGANISATION,
    ) -> None:
        self.session.add(
            Exposure(
                experiment_id=self.id,
                user_id=user,
                variant=variant,
                epoch=epoch,
                organisation_id=organisation,
                answer_id=new_id(),
                exposed_at=START + timedelta(minutes=minute),
            )
        )
        self.session.flush()

    def vote(
        self,
        user: uuid.UUID,
        variant: str,
        epoch: int,
        *votes: bool | int | str,
        organisation: uuid.UUID = ORGANISATION,
        minute: int = 5,
    ) -> None:
        """Store each vote on an output of its own: a thumb, stars, or the text of an edit."""
        for value in votes:
            kind = {bool: "thumb", int: "rating", str: "edit"}[type(value)]
            self.session.add(
                Feedback(
                    organisation_id=organisation,
                    user_id=user,
                    output_id=add_output(self.session, variant, "x"),
                    kind=kind,
                    thumb_up=value if kind == "thumb" else None,
                    rating=value if kind == "rating" else None,
                    text=value if kind == "edit" else None,
                    edit_distance=0.4 if kind == "edit" else None,
                    experiment_id=self.id,
                    variant=variant,
                    epoch=epoch,
                    created_at=START + timedelta(minutes=minute),
                    updated_at=START + timedelta(minutes=minute),
                )
            )
        self.session.flush()

    def answer(self, user: uuid.UUID, variant: str, epoch: int, minute: float, **fields: Any) -> None:
        """Store an answer; `fields` override its columns."""
        moment = START + timedelta(minutes=minute)
        row = Answer(
            id=id_at(moment),
            organisation_id=ORGANISATION,
            user_id=user,
            experiment_id=self.id,
            variant=variant,
            epoch=epoch,
            **{"output_id": new_id(), "cache": "l1", "fell_back": False, "total_ms": 1.0, **fields},
        )
        self.session.add(row)
        self.session.flush()

    def fail(self, user: uuid.UUID, variant: str, epoch: int, minute: float, failures: int = 1) -> None:
        row = Failure(
            id=id_at(START + timedelta(minutes=minute)),
            experiment_id=self.id,
            variant=variant,
            epoch=epoch,
            organisation_id=ORGANISATION,
            user_id=user,
            failures=failures,
        )
        self.session.add(row)
        self.session.flush()

    def refresh(
        self, hours: float = 24, measured: Mapping[str, metrics.Metric] | None = None, **batch: int
    ) -> int:
        """Refresh `hours` after the start, with windows of one hour; the number of closed windows."""
        self.session.commit()
        now, plan = START + timedelta(hours=hours), Plan(window_hours=1)
        closed = outcomes.refresh(self.session, self.id, plan, measured or metrics.load(), now, **batch)
        self.session.commit()
        return closed

    def arms(self, metric: str = PRIMARY) -> dict[tuple[int, str], ArmStatistics]:
        self.refresh()
        return {(arm.epoch, arm.variant): arm for arm in self.read_arms(metric)}

    def read_arms(self, metric: str = PRIMARY, since: int = 0) -> list[ArmStatistics]:
        """The arms as of the last refresh."""
        return stored_sums.read_arms(self.session, self.id, {metric: metrics.load()[metric]}, since)[metric]

    def sums(self, metric: str, variant: str = "challenger", epoch: int | None = None) -> MetricSum:
        self.refresh()
        where = [MetricSum.experiment_id == self.id, MetricSum.metric == metric, MetricSum.variant == variant]
        if epoch is not None:
            where.append(MetricSum.epoch == epoch)
        rows = select(MetricSum).where(*where, MetricSum.segment == "")
        return self.session.scalars(rows).one()

    def latency_sums(self, variant: str = "challenger") -> list[MetricSum]:
        """The sums of all misses, then of each bin with a miss."""
        where = (MetricSum.experiment_id == self.id, MetricSum.metric == outcomes.LATENCY)
        rows = select(MetricSum).where(*where, MetricSum.variant == variant).order_by(MetricSum.bin)
        return list(self.session.scalars(rows))
