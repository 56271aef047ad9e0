"""The address of the WebSocket, for the API's page and for clients that speak plain HTTP."""

from fastapi import APIRouter

from serving.gateway.problems import UpgradeNeededError
from serving.gateway.realtime.sockets import PATH
from serving.gateway.refusals import refuses

router = APIRouter(tags=["realtime"])


@router.get(
    PATH,
    status_code=101,
    response_description="The WebSocket is open: send `auth` as the first message",
    responses=refuses((UpgradeNeededError, "socket_needed")),
)
async def open_socket() -> None:
    """Open a WebSocket: events of jobs, answers, experiments and releases as they happen, and rewrites.

    The first message is `{"type": "auth", "token": "..."}`, with an API key or a token, within five
    seconds. Then `subscribe` shows the events of a channel (`jobs`, `answers`, `experiments`, `releases`),
    and `transform` rewrites a message. All messages are JSON objects with a `type`; docs/websocket.md
    describes each of them.
    """
    raise UpgradeNeededError("socket_needed")
