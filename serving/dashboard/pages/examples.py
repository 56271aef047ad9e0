"""The page of the answers behind a metric's value, both arms next to each other."""

import uuid
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from experiments import examples, page_effects, readings
from experiments.decisions import UnknownExperimentError
from experiments.examples import ArmExamples, FailedDay
from experiments.readings import ExperimentPage
from serving.dashboard.visit import Visit, viewer_visit
from serving.differences import mark_differences

router = APIRouter(prefix="/experiments")

Here = Annotated[Visit, viewer_visit]


@router.get("/{experiment_id}/metrics/{metric}/answers")
def show(
    here: Here,
    experiment_id: uuid.UUID,
    metric: str,
    quantity: Annotated[str, Query(max_length=40)] = "",
    segment: Annotated[str, Query(max_length=80)] = "",
    page: Annotated[int, Query(ge=1, le=examples.MOST_PAGES)] = 1,
) -> Response:
    """The answers of the reader's organisation that add most to a quantity of the metric, in each arm.

    `quantity` is one of the metric's, by default the first one. `segment` is `kind=value`.
    """
    say = here.words.say
    with Session(here.engine) as session:
        try:
            experiment = readings.read_experiment_page(session, experiment_id)
        except UnknownExperimentError as error:
            raise HTTPException(404, str(error)) from error
    if experiment.plan is None or experiment.started_at is None:
        raise HTTPException(404, say("This experiment has no measurements yet."))
    definition = experiment.plan.all_metrics.get(metric)
    quantities = examples.list_quantities(definition) if definition else []
    if definition is None or quantity not in {"", *quantities}:
        raise HTTPException(404, say("There is no metric %(name)s.", name=quantity or metric))
    quantity = quantity or next(iter(quantities), "")
    kind, _, value = segment.partition("=")
    if segment and kind not in examples.list_segments(experiment.plan):
        raise HTTPException(404, say("Answers cannot be listed by %(kind)s.", kind=kind))
    arms, failures = _list_in_time(here, experiment, quantity, (kind, value) if segment else None, page)
    return here.page(
        "answers.html",
        experiment=experiment,
        name=metric,
        definition=definition,
        quantity=quantity,
        quantities=quantities,
        segment=segment,
        arms=arms,
        failures=failures,
        page=page,
        size=examples.A_PAGE,
        most_pages=examples.MOST_PAGES,
        fewest=page_effects.FEWEST,
        mark_differences=mark_differences,
    )


def _list_in_time(
    here: Visit, experiment: ExperimentPage, quantity: str, segment: tuple[str, str] | None, page: int
) -> tuple[dict[str, ArmExamples] | None, list[FailedDay]]:
    """The answers of each arm, and the failures if they are the quantity. The answers are None for failures,
    which have none, and if Postgres takes longer than a page may wait.
    """
    own = uuid.UUID(here.me.organisation_id)
    person = uuid.UUID(here.me.user_id) if here.me.user_id else None
    try:
        with Session(here.engine) as session:
            if quantity == examples.FAILURES:
                return None, examples.list_failures(session, experiment, own)
            if not quantity:
                return {}, []
            arms = examples.list_answers(session, experiment, quantity, own, person, segment, page)
            return arms, []
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "57014":  # query_canceled: the timeout
            raise
        return None, []
