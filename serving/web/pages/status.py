"""The page Status: what works now, for everybody, signed in or not. It names no part of the system."""

from typing import Annotated

from fastapi import APIRouter, Response

from serving.web.visit import Visit, open_visit

router = APIRouter(prefix="/status")


@router.get("")
def show(here: Annotated[Visit, open_visit]) -> Response:
    """The page."""
    checked_at = here.health.check()
    return here.page("status.html", states=here.health.list_states(), checked_at=checked_at)
