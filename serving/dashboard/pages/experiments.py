"""The pages on experiments: the list, an experiment, a metric, and the actions on an experiment.

People who may not decide see no button, and the gateway also rejects their requests.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Query, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from sqlalchemy.orm import Session

from data import database
from experiments import (
    evidence,
    examples,
    gains,
    judgements,
    metrics,
    novelty,
    own_metrics,
    page_effects,
    readings,
)
from experiments import plan as plans
from experiments.decisions import UnknownExperimentError
from experiments.lifecycle import REQUESTABLE, Action, Status, consequence, requestable
from experiments.ranking import Ranking
from experiments.readings import ExperimentPage
from serving.dashboard import charts
from serving.dashboard.charts import Ranged
from serving.dashboard.visit import Visit, viewer_visit
from serving.differences import mark_differences
from serving.sites.api import IDEMPOTENCY_KEY, GatewayError

router = APIRouter(prefix="/experiments")

Here = Annotated[Visit, viewer_visit]
Challenger = Annotated[str | None, Query(max_length=63)]  # the one that a page compares with the baseline
_NEEDS_REASON = (Action.SHIP, Action.ROLL_BACK, Action.DROP)


@router.get("")
def list_experiments(
    here: Here,
    status: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The newest experiments with a status, and with `q` in their name, hypothesis or challenger."""
    status, q = status if status in set(Status) else "", q.strip()
    with Session(here.engine) as session:
        experiments = readings.list_experiments(session, status, q)
    return here.page(
        "experiments.html",
        experiments=experiments,
        status=status,
        q=q,
        statuses=list(Status),
        list_query=urlencode({name: value for name, value in (("status", status), ("q", q)) if value}),
        may_decide=here.may_decide,
    )


@router.get("/{experiment_id}")
def show(
    here: Here,
    experiment_id: uuid.UUID,
    list_query: Annotated[str, Query(alias="list", max_length=400)] = "",
    challenger: Challenger = None,
) -> Response:
    """An experiment: the decision and its reasons first, then the evidence."""
    say = here.words.say
    with Session(here.engine) as session:
        experiment = _load_experiment(session, experiment_id, challenger)
        arm = experiment.challenger.name
        effects = evidence.read_effects_over_time(session, experiment.id, arm)
        wins = evidence.read_win_rates_over_time(session, experiment.id, arm)
        counts = evidence.read_exposures_over_time(session, experiment.id, arm)
        breakdowns = page_effects.compute_breakdowns(session, experiment) if experiment.evidence else {}
        holdout = None
        if experiment.plan is None:
            plan = plans.load(own=own_metrics.load(here.settings.metrics_file)).without_own_metrics()
            holdout = gains.read_holdout(session, experiment.id, plan)
        curves = page_effects.compute_curves(session, experiment) if experiment.result else {}
        definitions = experiment.plan.all_metrics if experiment.plan else metrics.load()
        totals = page_effects.read_totals(session, experiment.id, definitions)
        judged = experiment.plan_of_each and judgements.compare(
            session, experiment.id, experiment.challenger.name, experiment.plan_of_each
        )
        database.read_for(session, uuid.UUID(here.me.organisation_id))
        pairs = readings.read_side_by_side(session, experiment)
    plots = {}
    if len(effects) > 1 and experiment.plan:
        primary = say(experiment.plan.primary.replace("_", " "))
        plots["effect"] = charts.draw_effect(
            effects,
            say("Effect on %(metric)s over time, with its confidence sequence", metric=primary),
            say("difference in %(metric)s", metric=primary),
        )
    if len(wins) > 1:
        plots["wins"] = charts.draw_effect(
            wins,
            say("Share of votes for the challenger over time, with its confidence sequence"),
            say("share of votes for the challenger"),
            nothing=0.5,
            percent=True,
        )
    if len(counts) > 1:
        plots["exposures"] = charts.draw_exposures(
            counts,
            experiment.epochs,
            (
                experiment.baseline.version if experiment.baseline else say("baseline"),
                experiment.challenger.version,
            ),
            say("Users exposed to each variant over time"),
            say("users"),
        )
    if experiment.evidence and experiment.evidence.ranking:
        plots["ranking"] = _draw_ranking(experiment.evidence.ranking, here)
    return here.page(
        "experiment.html",
        experiment=experiment,
        definitions=definitions,
        totals=totals,
        breakdowns=breakdowns,
        holdout=holdout,
        gain_plot=_draw_gains(here, holdout) if holdout else None,
        curves=curves,
        curve_plots=_draw_curves(here, curves),
        fewest_a_day=novelty.FEWEST_A_DAY,
        listed_segments=examples.list_segments(experiment.plan) if experiment.plan else {},
        fewest=max(page_effects.FEWEST, experiment.plan.minimum_users_an_arm) if experiment.plan else None,
        pairs=pairs,
        judged=judged,
        few=page_effects.FEWEST,
        replay=_find_replay(experiment),
        mark_differences=mark_differences,
        plots=plots,
        list_query=list_query,
        actions=_list_actions(experiment) if here.may_decide else [],
        may_decide=here.may_decide,
    )


def _find_replay(experiment: ExperimentPage) -> Any:
    """The numbers of the newest shadow run of the challenger; None without one. Earlier releases stored that
    of the only challenger.
    """
    for act in experiment.audit:
        numbers = act.parameters.get("shadows", {}).get(experiment.challenger.name)
        if numbers is None and len(experiment.challengers) == 1:
            numbers = act.parameters.get("shadow")
        if numbers is not None:
            return numbers
    return None


def _draw_ranking(ranking: Ranking, here: Visit) -> Markup:
    """Each version's probability of being preferred to the champion."""
    rows = [
        Ranged(row.version, row.preferred, *(row.preferred_interval or (None, None)))
        for row in ranking.versions
        if row.preferred is not None
    ]
    xlabel = here.words.say("preferred to the champion")
    return charts.draw_ranges(
        {"": rows},
        here.words.say("Share of the votes that prefer each version to the champion, with its interval"),
        xlabel,
        limits=(0.5,),
        within=(0, 1),
        percent=True,
    )


def _draw_gains(here: Visit, holdout: gains.Holdout) -> Markup | None:
    """The gain of each champion with its interval; None while no champion has one."""
    say = here.words.say
    rows = [
        charts.Ranged(
            f"{gain.champion}, {gain.since:%Y-%m-%d}", gain.effect.difference, *gain.effect.interval
        )
        for gain in holdout.gains
        if gain.effect is not None
    ]
    if not rows:
        return None
    return charts.draw_ranges(
        {"": rows},
        say("Gain of each champion over %(held_out)s, with its interval", held_out=holdout.held_out),
        say(
            "%(metric)s: gain over %(held_out)s",
            metric=say(holdout.metric.replace("_", " ")),
            held_out=holdout.held_out,
        ),
        limits=[0.0],
    )


def _draw_curves(here: Visit, curves: Mapping[novelty.Kind, novelty.Curve]) -> dict[str, Markup]:
    """The pictures of the effect by day."""
    say = here.words.say
    weekdays = [say("Mon"), say("Tue"), say("Wed"), say("Thu"), say("Fri"), say("Sat"), say("Sun")]
    labels: dict[novelty.Kind, tuple[Sequence[str], str]] = {
        "entry": ((), say("days since the first user came")),
        "since_entry": ((), say("days since the user's first answer")),
        "weekday": (weekdays, say("weekday")),
    }
    return {
        kind: charts.draw_days(
            curve.points,
            labels[kind][0],
            say("Effect by %(axis)s, with intervals for one look", axis=labels[kind][1]),
            labels[kind][1],
            say("effect"),
        )
        for kind, curve in curves.items()
        if curve.points
    }


@router.get("/{experiment_id}/metrics/{metric}")
def show_metric(here: Here, experiment_id: uuid.UUID, metric: str, challenger: Challenger = None) -> Response:
    """A metric: its definition, its effect over time, and the effect without CUPED and without the cap."""
    say = here.words.say
    with Session(here.engine) as session:
        experiment = _load_experiment(session, experiment_id, challenger)
        definitions = experiment.plan.all_metrics if experiment.plan else metrics.load()
        if metric not in definitions:
            raise HTTPException(404, say("There is no metric %(name)s.", name=metric))
        if experiment.result is None or experiment.plan is None:
            raise HTTPException(404, say("This experiment has no measurements yet."))
        effects = evidence.read_effects_over_time(
            session,
            experiment.id,
            experiment.challenger.name,
            None if metric == experiment.plan.primary else metric,
        )
        ways = page_effects.compute_effects_by_way(session, experiment, metric)
        cap = page_effects.read_cap(session, experiment, metric)
        totals = page_effects.read_totals(session, experiment.id, definitions)
    plot = None
    if len(effects) > 1:
        title = say(metric.replace("_", " "))
        plot = charts.draw_effect(
            effects,
            say("Effect on %(metric)s over time, with its confidence sequence", metric=title),
            say("difference in %(metric)s", metric=title),
        )
    return here.page(
        "metric.html",
        experiment=experiment,
        name=metric,
        definition=definitions[metric],
        ways=ways,
        cap=cap,
        totals=totals,
        plot=plot,
    )


@router.get("/{experiment_id}/{action}")
def ask_to_confirm(
    here: Here, experiment_id: uuid.UUID, action: str, challenger: Challenger = None
) -> Response:
    """Show what an action will do, and ask for confirmation."""
    requested = _parse_action(action)
    here.require_decider()
    with Session(here.engine) as session:
        experiment = _load_experiment(session, experiment_id, challenger)
    return _confirm(here, experiment, requested, {})


@router.post("/{experiment_id}/{action}")
def act(
    here: Here,
    experiment_id: uuid.UUID,
    action: str,
    csrf: Annotated[str, Form(max_length=200)],
    idempotency_key: Annotated[str, Form(pattern=IDEMPOTENCY_KEY)],
    reason: Annotated[str, Form(max_length=2000)] = "",
    share: Annotated[float | None, Form(gt=0, le=100)] = None,
    challenger: Annotated[str | None, Form(max_length=63)] = None,
) -> Response:
    """Request the action from the gateway."""
    requested = _parse_action(action)
    here.check(csrf)
    body: dict[str, Any] = {"reason": reason.strip()} if reason.strip() else {}
    if requested is Action.RAMP:
        body["share"] = (share or 0) / 100
    if challenger and requested in (Action.SHIP, Action.DROP):
        body["challenger"] = challenger
    try:
        here.ask("POST", f"/experiments/{experiment_id}/{action}", body, idempotency_key)
    except GatewayError as error:
        if error.status not in (409, 422):
            raise
        with Session(here.engine) as session:
            experiment = _load_experiment(session, experiment_id, challenger)
        given = {"reason": reason, "share": str(share or ""), "problem": error.explain(here.words)}
        return _confirm(here, experiment, requested, given, error.status)
    return RedirectResponse(f"/experiments/{experiment_id}#decisions", 303)


def _confirm(
    here: Visit, experiment: ExperimentPage, action: Action, given: Mapping[str, str], status: int = 200
) -> Response:
    words = here.words
    steps = [step for step in experiment.plan.ramp if step > experiment.share] if experiment.plan else []
    wider = steps[0] if steps else 1.0
    will_happen = consequence(
        action,
        experiment.status,
        challengers=[
            arm.version
            for arm in experiment.tested
            if action not in (Action.SHIP, Action.DROP) or arm == experiment.challenger
        ],
        baseline=experiment.baseline.version if experiment.baseline else words.say("the champion"),
        share=experiment.plan.ramp[0] if action is Action.START and experiment.plan else wider,
    )
    return here.page(
        "act.html",
        status,
        experiment=experiment,
        action=action,
        happens=words.reasons([will_happen]),
        needs_reason=action in _NEEDS_REASON,
        is_possible=action in _list_actions(experiment),
        share=round(100 * wider, 6),
        given=given,
        idempotency_key=str(uuid.uuid4()),
    )


def _list_actions(experiment: ExperimentPage) -> list[Action]:
    return requestable(experiment.status, experiment.share, len(experiment.tested))


def _parse_action(name: str) -> Action:
    """The action in an address, such as `roll_back` for `rollback`; HTTPException 404 if there is none."""
    for action in REQUESTABLE:
        if action.replace("_", "") == name:
            return action
    raise HTTPException(404)


def _load_experiment(session: Session, experiment_id: uuid.UUID, challenger: str | None) -> ExperimentPage:
    try:
        return readings.read_experiment_page(session, experiment_id, challenger)
    except UnknownExperimentError as error:
        raise HTTPException(404, str(error)) from error
