"""The page Help: what receipts and consent are, who reads what one writes, how long it is kept, whom to ask.
It has the form for feedback on the app itself.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from serving.sites.api import GatewayError
from serving.sites.words import as_typed
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/help")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Value = Annotated[str, Form(max_length=20)]

KEPT_DAYS = 400  # answers, and feedback on the app; the default of the flow `retain`
_REFUSALS = (403, 422, 429)
_BLANK = {"about": "", "comment": "", "may_answer": ""}


@router.get("")
def show(here: Here, done: Annotated[Literal["sent"] | None, Query()] = None) -> Response:
    """The page."""
    return _page(here, has_sent=done is not None)


@router.post("/feedback")
def give_feedback(
    here: Here,
    csrf: Csrf,
    about: Value = "",
    comment: Annotated[str, Form(max_length=4000)] = "",
    may_answer: Value = "",
) -> Response:
    """Send what the person says about the app to their admins. After an error, the page shows the form again
    with a message.
    """
    here.check(csrf)
    given = {"about": about, "comment": as_typed(comment), "may_answer": may_answer}
    try:
        here.ask("POST", "/app-feedback", {**given, "may_answer": may_answer == "yes"})
    except GatewayError as error:
        if error.status not in _REFUSALS:
            raise
        return _page(here, given=given, refused=error)
    return RedirectResponse("/help?done=sent#feedback", 303)


def _page(
    here: Visit,
    given: Mapping[str, str] = _BLANK,
    has_sent: bool = False,
    refused: GatewayError | None = None,
) -> Response:
    return here.page(
        "help.html",
        refused.status if refused else 200,
        here=router.prefix,
        contact=here.settings.contact,
        kept_days=KEPT_DAYS,
        given=given,
        has_sent=has_sent,
        problem=refused.explain(here.words) if refused else None,
    )
