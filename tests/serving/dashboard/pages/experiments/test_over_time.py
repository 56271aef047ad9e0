"""Pages about time: what promotions have gained over the version held out, and effects that change."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import Spec
from data.tables import ArmCount, Experiment, MetricSum, Variant, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import outcomes
from experiments.gains import HELD_OUT, PRESENT
from experiments.plan import Plan
from pipelines import sample_experiment
from tests.dashboards import Installation, own_settings, with_gateway

PRIMARY = Plan().primary


@pytest.fixture(scope="module")
def installation(
    local: Settings, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    settings = own_settings(local, new_database(), tmp_path_factory.mktemp("over-time"))
    with with_gateway(settings) as installation:
        assert sample_experiment.store(installation.engine, settings.organisation)
        yield installation


def add_votes(
    session: Session,
    experiment_id: uuid.UUID,
    epoch: int,
    variant: str,
    users: int,
    rate: float,
    segment: str = "",
    metric: str = PRIMARY,
) -> None:
    """Add `users` who have voted once, a share of `rate` with a thumb up."""
    ups, zero = Decimal(round(users * rate)), Decimal(0)
    session.add(
        MetricSum(
            experiment_id=experiment_id, epoch=epoch, variant=variant, metric=metric, segment=segment, bin=0,
            n=users, x=ups, xx=ups, y=zero, yy=zero, xy=zero,
        )
    )  # fmt: skip


def add_holdout(session: Session) -> uuid.UUID:
    """A holdout on v1 with three champions since, the first two of which people like better."""
    row = Experiment(
        id=new_id(), name="holdout on v1", hypothesis="Champions after v1 are better than it.", plan={},
        salt="h", status="holdout", started_at=datetime.now(UTC) - timedelta(days=90),
    )  # fmt: skip
    session.add(row)
    session.flush()
    for version, users, rate in (("v2", 900, 0.58), ("v4", 1600, 0.66), ("v5", 30, 0.6)):
        specs = {HELD_OUT: Spec(version="v1"), PRESENT: Spec(version=version)}
        arms = tuple(Arm(name=name, weight=0.5, spec=spec) for name, spec in specs.items())
        split = Split(experiment_id=row.id, salt="h", arms=arms, slots=(0.0, 0.1))
        routing_of_it = Routing(champion=specs[PRESENT], experiments=(split,))
        epoch = routing.publish(session, routing_of_it, f"{version} is champion")
        for arm in arms:
            stored = Variant(
                experiment_id=row.id,
                name=arm.name,
                spec_digest=arm.spec.digest,
                is_baseline=arm.name == HELD_OUT,
            )
            session.merge(stored)
        session.flush()
        for name, share in ((HELD_OUT, 0.55), (PRESENT, rate)):
            session.add(
                ArmCount(experiment_id=row.id, epoch=epoch, variant=name, exposed=2 * users, closed=2 * users)
            )
            add_votes(session, row.id, epoch, name, users, share)
    return row.id


def test_the_holdout_shows_the_gain_of_each_champion(installation: Installation) -> None:
    with Session(installation.engine) as session, session.begin():
        holdout = add_holdout(session)
    with installation.client() as client:
        page = client.get(f"/experiments/{holdout}").text
    assert "There is no analysis yet" not in page
    assert "Gain of all promotions" in page
    assert "Too few users so far." in page, "the present champion has 30"
    assert page.index(">v5</th>") < page.index(">v4</th>") < page.index(">v2</th>"), "the newest is first"
    assert "+0.11" in page
    assert 'aria-label="Gain of each champion over v1, with its interval"' in page


def test_an_effect_that_fades_is_shown_with_a_sentence(installation: Installation) -> None:
    with Session(installation.engine) as session, session.begin():
        sample = session.scalars(select(Experiment).where(Experiment.is_sample)).one()
        query = select(Variant).where(Variant.experiment_id == sample.id)
        variants = {row.is_baseline: row.name for row in session.scalars(query)}
        epoch = session.scalars(select(MetricSum.epoch).where(MetricSum.experiment_id == sample.id)).first()
        assert epoch is not None
        for day in range(10):
            entered = f"{outcomes.ENTERED}=2026-03-{day + 1:02}"
            for is_baseline, rate in ((True, 0.4), (False, 0.7 - 0.03 * day)):
                add_votes(session, sample.id, epoch, variants[is_baseline], 200, rate, entered)
        for day in range(3):
            since = f"{outcomes.SINCE_ENTRY}={day}"
            for is_baseline, rate in ((True, 0.4), (False, 0.5)):
                name = variants[is_baseline]
                add_votes(session, sample.id, epoch, name, 500, rate, since, outcomes.SINCE_ENTRY)
        experiment_id = sample.id
    with installation.client() as client:
        page = client.get(f"/experiments/{experiment_id}").text
        metric = client.get(f"/experiments/{experiment_id}/metrics/{PRIMARY}").text
    assert "The effect fades: users who came later show less of it." in page
    assert "There is no sign that the effect changes with the days since a user&#39;s first answer." in page
    for axis in ("days since the first user came", "days since the user&#39;s first answer", "weekday"):
        assert f'aria-label="Effect by {axis}, with intervals for one look"' in page, axis
    assert "with equal shares of each transform type in both arms" in metric
