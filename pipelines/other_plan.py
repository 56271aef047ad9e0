"""An experiment as if it had had another plan: counted and analysed anew by the code of the flow, in a
transaction that is rolled back.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine, delete, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Analysis, ArmCount, Experiment, ExperimentUnit, MetricSum, OpenUnit, Organisation
from experiments import evidence, page_effects, readings
from experiments.analysis import ExperimentResult
from experiments.breakdown import Breakdown
from experiments.own_metrics import Definitions
from experiments.plan import Plan
from experiments.readings import ExperimentPage
from pipelines.experiment import analyse
from serving.dashboard import preview
from serving.dashboard.pages import experiments

# About as many of the stored analyses as `most`, the newest included.
_TIMES = text("""
    WITH numbered AS (
        SELECT analysed_at, row_number() OVER (ORDER BY analysed_at DESC) - 1 AS place,
            count(*) OVER () AS total
        FROM analyses WHERE experiment_id = :id
    )
    SELECT analysed_at FROM numbered WHERE place % greatest(ceil(total::numeric / :most)::int, 1) = 0
    ORDER BY analysed_at
""")
_COUNTS = (Analysis, MetricSum, ArmCount, OpenUnit, ExperimentUnit)


@contextmanager
def analysed(
    engine: Engine, page: ExperimentPage, plan: Plan, operator: str, analyses: int = 1
) -> Iterator[Session]:
    """A session in which an experiment that has been analysed has had this plan from its start, and was
    analysed at the times of at most so many of its analyses, the newest included. At the end of the block all
    of it is rolled back.

    Whatever reads sums and evidence in this session reads those of this plan. Users enter as they did. Votes
    on comparisons count as the newest analysis counted them, at all times. `operator` is as in `analyse`.

    It takes as long as counting all users of the experiment at once: 3 s for 50,000. Until its end, the flow
    waits with an analysis of this experiment, so keep the block short.
    """
    with engine.connect() as connection, Session(connection) as session:
        times = list(session.scalars(_TIMES, {"id": page.id, "most": analyses}))
        row = session.get_one(Experiment, page.id, with_for_update={"key_share": True})
        for table in _COUNTS:
            session.execute(delete(table).where(table.experiment_id == page.id))
        row.plan, row.caps, row.seen_until = plan.model_dump(mode="json"), None, 0
        session.flush()
        for at in times:
            evidence.store(session, page.id, analyse(session, page.id, plan, operator, at), at)
            session.flush()
        yield session


class MetricTrial(NamedTuple):
    """What an experiment would have shown with more metrics: the result of its newest analysis, the primary
    metric by segment, and the dashboard's page of each added metric (`preview.render`).
    """

    result: ExperimentResult
    breakdowns: Mapping[str, Breakdown]
    pages: Mapping[str, str]


def try_metrics(engine: Engine, settings: Settings, page: ExperimentPage, own: Definitions) -> MetricTrial:
    """Analyse an experiment as if its plan had had these metrics and segments, at the times of at most 30 of
    its analyses. Nothing is stored; see `analysed`.
    """
    assert page.plan is not None, page.id
    plan, operator = page.plan.with_own(own), settings.organisation
    with analysed(engine, page, plan, operator, analyses=30) as session:
        changed = readings.read_experiment_page(session, page.id, page.challenger.name)
        assert changed.result is not None, page.id
        reader = session.scalars(select(Organisation.id).where(Organisation.name == operator)).one()
        return MetricTrial(
            result=changed.result.between_users,
            breakdowns=page_effects.compute_breakdowns(session, changed),
            pages={
                name: preview.render(
                    partial(
                        experiments.show_metric,
                        experiment_id=page.id,
                        metric=name,
                        challenger=page.challenger.name,
                    ),
                    settings,
                    session,
                    reader,
                )
                for name in own.metrics
            },
        )
