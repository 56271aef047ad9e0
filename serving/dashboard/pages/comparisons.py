"""The page Compare: two rewrites of a message side by side. It does not show which version wrote which.

The gateway stores the open comparison, so a reload shows the same pair.
"""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from data.reasons import Reason
from data.records import TransformType
from data.traffic import routing
from serving.dashboard.visit import Visit, visit
from serving.sites.api import GatewayError
from serving.sites.words import as_typed

router = APIRouter(prefix="/compare")

Here = Annotated[Visit, visit]
Done = Literal["stored", "skipped"]
_DEFAULTS = {"text": "", "transform_type": "soften", "intensity": "2"}


@router.get("")
def show(here: Here, done: Annotated[Done | None, Query()] = None) -> Response:
    """The open comparison, or the next one."""
    return _page(here, done)


@router.post("/message")
def compare_own(
    here: Here,
    csrf: Annotated[str, Form(max_length=200)],
    text: Annotated[str, Form(max_length=20_000)] = "",
    transform_type: Annotated[str, Form(max_length=20)] = "",
    intensity: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Rewrite a person's own message twice. After an error, show the form again with a message."""
    here.check(csrf)
    given = {"text": as_typed(text), "transform_type": transform_type, "intensity": intensity}
    body = {**given, "intensity": int(intensity) if intensity.isdecimal() else intensity}
    try:
        here.ask("POST", "/comparisons/next", body)
    except GatewayError as error:
        if error.status not in (409, 422):
            raise
        problem: str = error.explain(here.words)
        if [reason.code for reason in error.reasons] == ["own_rewrites_same"]:
            problem = here.words.say(
                "Both rewrites of your message are the same. Change it, or ask for more intensity."
            )
        return _page(here, given=given, problem=problem, status=error.status)
    return RedirectResponse("/compare", 303)


@router.post("/{comparison_id}")
def choose(
    here: Here,
    comparison_id: uuid.UUID,
    csrf: Annotated[str, Form(max_length=200)],
    receipt: Annotated[str, Form(max_length=1000)],
    choice: Annotated[Literal["first", "second", "neither", "skip"], Form()],
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Vote, or skip."""
    here.check(csrf)
    done: Done = "stored"
    if choice == "skip":
        done = "skipped"
        here.ask("POST", f"/comparisons/{comparison_id}/skip")
    else:
        vote = {"kind": "comparison", "receipt": receipt, "preferred": choice}
        here.ask("POST", "/feedback", vote | ({"reason": as_typed(reason)} if reason.strip() else {}))
    return RedirectResponse(f"/compare?done={done}", 303)


def _page(
    here: Visit,
    done: Done | None = None,
    given: dict[str, str] | None = None,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    pair, state = None, None
    try:
        pair = here.ask("POST", "/comparisons/next", {})
    except GatewayError as error:
        if error.status not in (409, 503):
            raise
        if error.status == 409:
            state = "no pair"
        elif _is_released(here):
            state, status = "unavailable", 503
        else:
            state = "no release"
    return here.page(
        "compare.html",
        status,
        here=router.prefix,
        pair=pair,
        unchanged=_read_reasons(pair) if pair else {},
        state=state,
        progress=_fetch_progress(here),
        done=done,
        given=given or _DEFAULTS,
        problem=problem,
        types=[kind.value for kind in TransformType],
    )


def _read_reasons(pair: Any) -> dict[str, Reason | None]:
    """Why each side of a pair is the message itself, by place; None for a text that the model wrote."""
    sides = {place: pair[place].get("unchanged") for place in ("first", "second")}
    return {
        place: Reason(code=why["code"], values=why["values"]) if why else None for place, why in sides.items()
    }


def _is_released(here: Visit) -> bool:
    with Session(here.engine) as session:
        return routing.current(session) is not None


def _fetch_progress(here: Visit) -> Any:
    """The numbers of the person's votes and skips; None while the gateway is unavailable."""
    try:
        return here.ask("GET", "/comparisons/progress")
    except GatewayError as error:
        if error.status != 503:
            raise
        return None
