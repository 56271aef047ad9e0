"""The pages on experiments: the list, one, a metric of it, a draft, and what is decided on it.

Who may not decide sees no button, and the gateway refuses what they send all the same.
"""

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from data import database
from data.reasons import Reason, reason
from data.records import TransformType
from experiments import evidence, metrics, power, readings
from experiments import plan as plans
from experiments.decisions import UnknownExperimentError
from experiments.lifecycle import REQUESTABLE, Action, Status, consequence, requestable
from experiments.plan import Plan
from experiments.readings import ExperimentPage
from serving.dashboard import charts
from serving.dashboard.api import GatewayError
from serving.dashboard.visit import NotAllowedError, Visit, viewer_visit
from serving.validation import reason_of

router = APIRouter(prefix="/experiments")

Here = Annotated[Visit, viewer_visit]
OFTEN_CHANGED = (
    "primary", "smallest_effect", "power", "harm_margin", "window_hours", "minimum_days", "maximum_days",
    "allocation", "automatic",
)  # fmt: skip
_NEEDS_REASON = (Action.SHIP, Action.ROLL_BACK)
_KEY = r"^[!-~]{1,200}$"  # an Idempotency-Key: it goes on as a header, which holds no other characters


def marked(text: str, other: str) -> list[tuple[str, bool]]:
    """A text in parts, and whether each is not in the other text; by words, with the white space between."""
    words, others = (re.findall(r"\s+|[^\s]+", one) for one in (text, other))
    found: list[tuple[str, bool]] = []
    for kind, begin, end, _, _ in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        if begin < end:
            found.append(("".join(words[begin:end]), kind != "equal"))
    return found


async def _sent(request: Request) -> FormData:
    return await request.form(max_fields=200)


Sent = Annotated[FormData, Depends(_sent)]


@router.get("")
def list_experiments(
    here: Here,
    status: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The newest experiments, by status and words."""
    status, q = status if status in set(Status) else "", q.strip()
    with Session(here.engine) as session:
        found = readings.list_experiments(session, status, q)
    return here.page(
        "experiments.html",
        found=found,
        status=status,
        q=q,
        statuses=list(Status),
        kept=urlencode({name: value for name, value in (("status", status), ("q", q)) if value}),
        may_decide=here.may_decide,
    )


@router.get("/new")
def new(here: Here) -> Response:
    """The form to draft one."""
    _must_decide(here)
    return _form(here, {}, {})


@router.post("/new")
def draft(here: Here, sent: Sent) -> Response:
    """Draft it; the form again, with what does not fit."""
    _must_decide(here)
    here.check(str(sent.get("csrf", "")))
    given = {name: str(value) for name, value in sent.items()}
    idempotency_key = given.get("idempotency_key", "")
    if not re.fullmatch(_KEY, idempotency_key):
        raise HTTPException(422, "idempotency_key: 1 to 200 printable ASCII characters")
    changes, faults = _changes(given)
    target = {
        "transform_types": [str(one) for one in sent.getlist("transform_types")],
        **{name: given.get(name, "").replace(",", " ").split() for name in ("locales", "channels")},
    }
    if faults:
        return _form(here, given, faults, target)
    body = {
        **{name: given.get(name, "") for name in ("name", "hypothesis", "challenger")},
        "plan": changes,
        "target": target,
    }
    try:
        drafted = here.ask("POST", "/experiments", body, idempotency_key)
    except GatewayError as error:
        faults = {name: [why] for name, why in error.fields.items()} or {"": error.reasons}
        return _form(here, given, faults, target, error.status)
    return RedirectResponse(f"/experiments/{drafted['id']}", 303)


def _changes(given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Sequence[Reason]]]:
    """Which fields of the plan are not as `configs/experiment.yaml` has them, and what cannot be read."""
    usual, changes, faults = plans.load(), dict[str, Any](), dict[str, Sequence[Reason]]()
    for name in Plan.model_fields:
        shown = given.get(f"plan.{name}")
        if shown is None:
            continue
        value, was = shown.strip(), usual.model_dump(mode="json")[name]
        try:
            read = json.loads(value) if not isinstance(was, str) else value
        except (ValueError, RecursionError):
            faults[name] = [reason("plan_value_unreadable", value=repr(value), usual=json.dumps(was))]
            continue
        if read != was:
            changes[name] = read
    if not faults:
        try:
            plans.with_changes(changes)
        except ValidationError as error:
            faults = {str(e["loc"][0]) if e["loc"] else "": [reason_of(e)] for e in error.errors()}
    return changes, faults


def _form(
    here: Visit,
    given: Mapping[str, str],
    faults: Mapping[str, Sequence[Reason]],
    target: Mapping[str, list[str]] | None = None,
    status: int = 422,
) -> Response:
    usual = plans.load().model_dump(mode="json")
    shown = {
        name: given.get(f"plan.{name}", value if isinstance(value, str) else json.dumps(value))
        for name, value in usual.items()
    }
    with Session(here.engine) as session:
        versions = readings.candidates(session)
        past = readings.past(session)
    return here.page(
        "new.html",
        status if faults else 200,
        given=given,
        plan=shown,
        fields={name: field.description or name for name, field in Plan.model_fields.items()},
        often=OFTEN_CHANGED,
        choices={"primary": list(metrics.load()), "allocation": ["fixed", "top_two", "thompson"]},
        target=target or {"transform_types": [], "locales": [], "channels": []},
        types=[one.value for one in TransformType],
        versions=versions,
        users_a_day=given.get("users_a_day") or (round(past.users_a_day) if past.users_a_day else ""),
        needed=_needed(here, shown, past),
        faults=faults,
        idempotency_key=given.get("idempotency_key") or str(uuid.uuid4()),
    )


@router.get("/needed")
def needed(here: Here, request: Request) -> Response:
    """How many users a plan needs, and how many days: a part of the form, while somebody fills it in."""
    given = {name.removeprefix("plan."): value for name, value in request.query_params.items()}
    with Session(here.engine) as session:
        past = readings.past(session)
    try:
        users_a_day = float(given.get("users_a_day") or 0)
    except ValueError:
        users_a_day = 0.0
    past = past._replace(users_a_day=users_a_day if 0 < users_a_day < 1e12 else None)
    return here.page("needed.html", needed=_needed(here, given, past))


def _needed(here: Visit, given: Mapping[str, str], past: readings.Past) -> dict[str, Any]:
    """What `needed.html` shows."""
    usual, read = plans.load(), dict[str, Any]()
    for name in ("smallest_effect", "power", "alpha", "n_star", "minimum_days", "window_hours"):
        try:
            read[name] = json.loads(given.get(name, json.dumps(getattr(usual, name))))
        except (ValueError, RecursionError):
            return {"fault": here.words.say("Some of the numbers cannot be read.")}
    primary = given.get("primary", usual.primary)
    try:
        plan = plans.with_changes({**read, "primary": primary})
    except ValueError:
        return {"fault": here.words.say("With these values there is no plan yet.")}
    spread, is_guess = past.spread.get(primary), False
    if spread is None:
        if metrics.load()[primary].largest != 1.0:
            return {
                "fault": here.words.say(
                    "How much users differ in %(metric)s is not known before an experiment has measured it.",
                    metric=primary,
                )
            }
        spread, is_guess = 1.0, True  # 4 v, and the variance of what lies between 0 and 1 is 1/4 at most
    users = power.sequential_sample(plan.smallest_effect, spread, plan.alpha, plan.power, plan.n_star)
    if math.isinf(users):
        return {"fault": here.words.say("With these values there is no plan yet.")}
    fixed = power.fixed_sample(plan.smallest_effect, spread, plan.alpha, plan.power)
    days = users / past.users_a_day + plan.window_hours / 24 if past.users_a_day else None
    return {
        "fault": None,
        "users": users,
        "fixed": fixed,
        "is_guess": is_guess,
        "days": max(days, plan.minimum_days) if days is not None else None,
        "too_long": days is not None and days > plan.maximum_days,
        "plan": plan,
    }


@router.get("/{experiment_id}")
def show(
    here: Here, experiment_id: uuid.UUID, kept: Annotated[str, Query(alias="list", max_length=400)] = ""
) -> Response:
    """An experiment: the decision and its reason first, then what they rest on."""
    say = here.words.say
    with Session(here.engine) as session:
        one = _experiment(session, experiment_id)
        effects = evidence.effects_over_time(session, one.id)
        wins = evidence.win_rates_over_time(session, one.id)
        counts = evidence.exposures_over_time(session, one.id)
        parts = readings.breakdowns(session, one) if one.evidence else {}
        totals = readings.totals(session, one.id)
        database.read_for(session, uuid.UUID(here.me.organisation_id))
        sides = readings.side_by_side(session, one)
    drawn = {}
    if len(effects) > 1 and one.plan:
        drawn["effect"] = charts.effect(
            effects,
            say("Effect in %(metric)s over time, with its confidence sequence", metric=one.plan.primary),
            say("difference in %(metric)s", metric=one.plan.primary),
        )
    if len(wins) > 1:
        drawn["wins"] = charts.effect(
            wins,
            say("Share of people who prefer the challenger, over time, with its confidence sequence"),
            say("prefer the challenger"),
            nothing=0.5,
            percent=True,
        )
    if len(counts) > 1:
        drawn["exposures"] = charts.exposures(
            counts,
            one.epochs,
            (one.baseline.version if one.baseline else say("baseline"), one.challenger.version),
            say("Users exposed to each variant, over time"),
            say("users"),
        )
    return here.page(
        "experiment.html",
        one=one,
        measured=metrics.load(),
        totals=totals,
        parts_of=parts,
        fewest=readings.FEWEST,
        sides=sides,
        marked=marked,
        drawn=drawn,
        kept=kept,
        actions=requestable(one.status, one.share) if here.may_decide else [],
        may_decide=here.may_decide,
    )


@router.get("/{experiment_id}/metrics/{metric}")
def show_metric(here: Here, experiment_id: uuid.UUID, metric: str) -> Response:
    """One metric: what it is, its effect over time, and what CUPED and its cap do to it."""
    say = here.words.say
    if metric not in metrics.load():
        raise HTTPException(404, say("There is no metric %(name)s.", name=metric))
    with Session(here.engine) as session:
        one = _experiment(session, experiment_id)
        if one.evidence is None or one.plan is None:
            raise HTTPException(404, say("Nothing has been measured in this experiment yet."))
        effects = evidence.effects_over_time(session, one.id, None if metric == one.plan.primary else metric)
        ways = readings.effects_by_way(session, one, metric)
        totals = readings.totals(session, one.id)
    drawn = None
    if len(effects) > 1:
        drawn = charts.effect(
            effects,
            say("Effect in %(metric)s over time, with its confidence sequence", metric=metric),
            say("difference in %(metric)s", metric=metric),
        )
    definition = metrics.load()[metric]
    return here.page(
        "metric.html", one=one, name=metric, definition=definition, ways=ways, totals=totals, drawn=drawn
    )


@router.get("/{experiment_id}/{action}")
def ask_to_confirm(here: Here, experiment_id: uuid.UUID, action: str) -> Response:
    """What an action would do, before it is done."""
    wanted = _action(action)
    _must_decide(here)
    with Session(here.engine) as session:
        one = _experiment(session, experiment_id)
    return _confirm(here, one, wanted, {})


@router.post("/{experiment_id}/{action}")
def act(
    here: Here,
    experiment_id: uuid.UUID,
    action: str,
    csrf: Annotated[str, Form(max_length=200)],
    idempotency_key: Annotated[str, Form(pattern=_KEY)],
    reason: Annotated[str, Form(max_length=2000)] = "",
    share: Annotated[float | None, Form(gt=0, le=100)] = None,
) -> Response:
    """Ask the gateway for it."""
    wanted = _action(action)
    here.check(csrf)
    body: dict[str, Any] = {"reason": reason.strip()} if reason.strip() else {}
    if wanted is Action.RAMP:
        body["share"] = (share or 0) / 100
    try:
        here.ask("POST", f"/experiments/{experiment_id}/{action}", body, idempotency_key)
    except GatewayError as error:
        if error.status not in (409, 422):
            raise
        with Session(here.engine) as session:
            one = _experiment(session, experiment_id)
        given = {"reason": reason, "share": str(share or ""), "problem": error.explain(here.words)}
        return _confirm(here, one, wanted, given, error.status)
    return RedirectResponse(f"/experiments/{experiment_id}#decisions", 303)


def _confirm(
    here: Visit, one: ExperimentPage, action: Action, given: Mapping[str, str], status: int = 200
) -> Response:
    words = here.words
    steps = [step for step in one.plan.ramp if step > one.share] if one.plan else []
    wider = steps[0] if steps else 1.0
    will_happen = consequence(
        action,
        one.status,
        challenger=one.challenger.version,
        baseline=one.baseline.version if one.baseline else words.say("the champion"),
        share=one.plan.ramp[0] if action is Action.START and one.plan else wider,
    )
    return here.page(
        "act.html",
        status,
        one=one,
        action=action,
        happens=words.reasons([will_happen]),
        needs_reason=action in _NEEDS_REASON,
        is_possible=action in requestable(one.status, one.share),
        share=round(100 * wider, 6),
        given=given,
        idempotency_key=str(uuid.uuid4()),
    )


def _must_decide(here: Visit) -> None:
    if not here.may_decide:
        raise NotAllowedError(
            here.words.say(
                "Deciding on experiments takes the role experimenter or above; you are a %(role)s.",
                role=here.words.say(here.me.role),
            )
        )


def _action(name: str) -> Action:
    """The action of an address: `rollback` is `roll_back`."""
    for action in REQUESTABLE:
        if action.replace("_", "") == name:
            return action
    raise HTTPException(404)


def _experiment(session: Session, experiment_id: uuid.UUID) -> ExperimentPage:
    try:
        return readings.experiment_page(session, experiment_id)
    except UnknownExperimentError as error:
        raise HTTPException(404, str(error)) from error
