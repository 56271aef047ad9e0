"""The page App feedback: what the people of the organisation say about the app itself, for its admins."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from serving.dashboard.visit import APP_FEEDBACK, Visit, admin_visit
from serving.sites.api import GatewayError

router = APIRouter(prefix=APP_FEEDBACK)

Here = Annotated[Visit, admin_visit]
Before = Annotated[uuid.UUID | None, Query()]
Csrf = Annotated[str, Form(max_length=200)]

_A_PAGE = 50
KINDS = {"idea": "Idea", "problem": "Problem", "praise": "Praise"}  # by what the gateway says, the name


@router.get("")
def show(
    here: Here, before: Before = None, done: Annotated[Literal["deleted"] | None, Query()] = None
) -> Response:
    """A page of it, the newest first."""
    return _page(here, before, has_deleted=done is not None)


@router.post("/{feedback_id}/delete")
def delete(here: Here, feedback_id: uuid.UUID, csrf: Csrf) -> Response:
    """Delete what a person said."""
    here.check(csrf)
    try:
        here.ask("DELETE", f"{APP_FEEDBACK}/{feedback_id}")
    except GatewayError as error:
        if error.status not in (403, 404, 429):
            raise
        return _page(here, problem=error.explain(here.words), status=error.status)
    here.forget_mark(APP_FEEDBACK)
    return RedirectResponse(f"{APP_FEEDBACK}?done=deleted", 303)


def _page(
    here: Visit,
    before: uuid.UUID | None = None,
    has_deleted: bool = False,
    problem: Markup | None = None,
    status: int = 200,
) -> Response:
    query: dict[str, Any] = {"limit": _A_PAGE} | ({"before": before} if before else {})
    page = here.ask_page(APP_FEEDBACK, **query)
    return here.page(
        "app_feedback.html",
        status,
        here=router.prefix,
        items=[{**item, "created_at": datetime.fromisoformat(item["created_at"])} for item in page.rows],
        older=page.before,
        before=before,
        has_deleted=has_deleted,
        problem=problem,
        kinds=KINDS,
    )
