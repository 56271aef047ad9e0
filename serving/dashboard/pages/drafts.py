"""The form of a new experiment. While a person fills it in, it shows what the plan can show."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from data.reasons import Reason, reason
from data.records import TransformType
from experiments import forecasting, history, own_metrics, readings
from experiments import plan as plans
from experiments.history import History
from serving.dashboard.visit import Visit, viewer_visit
from serving.sites.api import IDEMPOTENCY_KEY, GatewayError
from serving.validation import reason_of

router = APIRouter(prefix="/experiments")

Here = Annotated[Visit, viewer_visit]
OFTEN_CHANGED = (
    "primary", "smallest_effect", "power", "harm_margin", "window_hours", "minimum_days", "maximum_days",
    "allocation", "automatic",
)  # fmt: skip
_OF_OUTLOOK = (
    "smallest_effect", "power", "alpha", "n_star", "minimum_days", "compressed_time", "maximum_days",
    "window_hours", "harm_margin", "guardrails", "ramp", "hours_a_step", "minimum_users_an_arm",
    "traffic_share",
)  # fmt: skip


async def _read_form(request: Request) -> FormData:
    return await request.form(max_fields=200)


Sent = Annotated[FormData, Depends(_read_form)]


@router.get("/new")
def new(here: Here) -> Response:
    """The form of a new draft."""
    here.require_decider()
    return _form(here, {}, {})


@router.post("/new")
def draft(here: Here, sent: Sent) -> Response:
    """Create a draft. After an error, show the form again with a message at each field."""
    here.require_decider()
    here.check(str(sent.get("csrf", "")))
    given = {name: str(value) for name, value in sent.items()}
    idempotency_key = given.get("idempotency_key", "")
    if not re.fullmatch(IDEMPOTENCY_KEY, idempotency_key):
        raise HTTPException(422, reason("form_key_malformed"))
    changes, faults = _read_changes(here, given)
    target = {
        "transform_types": [str(kind) for kind in sent.getlist("transform_types")],
        **{name: given.get(name, "").replace(",", " ").split() for name in ("locales", "channels")},
    }
    challengers = [str(version) for version in sent.getlist("challengers")]
    if not challengers:
        faults["challengers"] = [reason("choose_challenger")]
    if faults:
        return _form(here, given, faults, target, challengers)
    body = {
        **{name: given.get(name, "") for name in ("name", "hypothesis")},
        "challengers": challengers,
        "plan": changes,
        "target": target,
    }
    try:
        drafted = here.ask("POST", "/experiments", body, idempotency_key)
    except GatewayError as error:
        faults = {name: [why] for name, why in error.fields.items()} or {"": error.reasons}
        return _form(here, given, faults, target, challengers, error.status)
    return RedirectResponse(f"/experiments/{drafted['id']}", 303)


def _read_changes(
    here: Visit, given: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Sequence[Reason]]]:
    """The fields that differ from `configs/experiment.yaml`, and a message for each field that is invalid."""
    own = own_metrics.load(here.settings.metrics_file)
    defaults, changes, faults = plans.load(own=own), dict[str, Any](), dict[str, Sequence[Reason]]()
    for name in plans.CHANGEABLE:
        text = given.get(f"plan.{name}")
        if text is None:
            continue
        text, default = text.strip(), defaults.model_dump(mode="json")[name]
        try:
            value = json.loads(text) if not isinstance(default, str) else text
        except (ValueError, RecursionError):
            faults[name] = [reason("plan_value_unreadable", value=repr(text), usual=json.dumps(default))]
            continue
        if value != default:
            changes[name] = value
    if not faults:
        try:
            plans.with_changes(changes, own)
        except ValidationError as error:
            faults = {str(e["loc"][0]) if e["loc"] else "": [reason_of(e)] for e in error.errors()}
        except plans.PlanError as error:  # of a plan whose fields are valid: its minimum is not whole weeks
            faults = {"minimum_days": error.reasons}
    return changes, faults


def _form(
    here: Visit,
    given: Mapping[str, str],
    faults: Mapping[str, Sequence[Reason]],
    target: Mapping[str, list[str]] | None = None,
    challengers: Sequence[str] = (),
    status: int = 422,
) -> Response:
    usual = plans.load(own=own_metrics.load(here.settings.metrics_file))
    defaults = usual.model_dump(mode="json", include=set(plans.CHANGEABLE))
    values = {
        name: given.get(f"plan.{name}", value if isinstance(value, str) else json.dumps(value))
        for name, value in defaults.items()
    }
    with Session(here.engine) as session:
        versions = readings.list_candidates(session)
        past, traffic = readings.read_past(session), history.read(session)
    users_a_day = "" if traffic or past.users_a_day is None else round(past.users_a_day)
    return here.page(
        "new.html",
        status if faults else 200,
        given=given,
        plan=values,
        fields={name: field.description or name for name, field in plans.CHANGEABLE.items()},
        often=OFTEN_CHANGED,
        choices={"primary": list(usual.all_metrics), "allocation": ["fixed", "top_two", "thompson"]},
        target=target or {"transform_types": [], "locales": [], "channels": []},
        types=[kind.value for kind in TransformType],
        versions=versions,
        challengers=challengers,
        users_a_day=given.get("users_a_day") or users_a_day,
        needed=_estimate_needed(
            here,
            {**values, "users_a_day": str(users_a_day)} | dict(given),
            past,
            traffic,
            max(1, len(challengers)),
        ),
        faults=faults,
        idempotency_key=given.get("idempotency_key") or str(uuid.uuid4()),
    )


@router.get("/needed")
def needed(here: Here, request: Request) -> Response:
    """The users and days that a plan needs. The form requests this part while a person fills it in."""
    given = {name.removeprefix("plan."): value for name, value in request.query_params.items()}
    with Session(here.engine) as session:
        past, traffic = readings.read_past(session), history.read(session)
    challengers = max(1, len(request.query_params.getlist("challengers")))
    return here.page("needed.html", needed=_estimate_needed(here, given, past, traffic, challengers))


def _estimate_needed(
    here: Visit, given: Mapping[str, str], past: readings.Past, traffic: History | None, challengers: int
) -> dict[str, Any]:
    """The values of `needed.html`. `given` has fields of a plan as text, and `users_a_day`."""
    own = own_metrics.load(here.settings.metrics_file)
    defaults, values = plans.load(own=own).model_dump(mode="json"), dict[str, Any]()
    for name in _OF_OUTLOOK:
        try:
            values[name] = json.loads(given.get(name, json.dumps(defaults[name])))
        except (ValueError, RecursionError):
            return {"fault": here.words.say("Some of the numbers cannot be read.")}
    try:
        plan = plans.with_changes({**values, "primary": given.get("primary", defaults["primary"])}, own)
    except ValidationError:
        return {"fault": here.words.say("With these values there is no plan yet.")}
    except plans.PlanError as error:
        return {"fault": here.words.reasons(error.reasons)}
    try:
        users_a_day = float(given.get("users_a_day") or 0)
    except ValueError:
        users_a_day = 0.0
    forecast = forecasting.forecast(
        plan,
        plan.all_metrics,
        traffic,
        past.metrics,
        users_a_day if 0 < users_a_day < 1e12 else None,
        challengers,
    )
    if plan.primary in forecast.unknown:
        return {
            "fault": here.words.say(
                "How much users differ in %(metric)s is not known before an experiment has measured it.",
                metric=here.words.say(plan.primary.replace("_", " ")),
            )
        }
    if forecast.users_needed is None:
        return {"fault": here.words.say("With these values there is no plan yet.")}
    too_long = forecast.days_needed is None or forecast.days_needed > plan.maximum_days
    return {
        "fault": None,
        "outlook": forecast,
        "too_long": too_long,
        "plan": plan,
        "traffic": traffic if not 0 < users_a_day < 1e12 else None,
    }
