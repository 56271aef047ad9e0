"""The address of the WebSocket, for the API's page and for clients that speak plain HTTP."""

from fastapi import APIRouter

from serving.gateway.problems import UpgradeNeededError
from serving.gateway.realtime.sockets import PATH

router = APIRouter()


@router.get(PATH, status_code=101, responses={426: {"description": "This request opens no WebSocket"}})
async def open_socket() -> None:
    """Open a WebSocket: events of jobs, answers, experiments and releases as they happen, and rewrites.

    The first message is `{"type": "auth", "token": "..."}`. docs/websocket.md has all of them.
    """
    raise UpgradeNeededError("socket_needed")
