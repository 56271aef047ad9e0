"""Takes Teams' requests, if Microsoft has signed the token that comes with them for this app."""

import json
import logging

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError
from starlette.responses import Response

from serving.channels import bodies
from serving.channels.teams.activities import Activity
from serving.channels.teams.listeners import Listeners
from serving.channels.teams.verifier import NoKeysError, RefusedRequestError, Verifier, check_tenant

log = logging.getLogger(__name__)

PATH = "/teams"
_MOST_BYTES = 1_000_000  # of a request


def make_router(listeners: Listeners, verifier: Verifier) -> APIRouter:
    """The route for all of Teams' requests: messages, dialogs, clicks and installations."""
    router = APIRouter()

    @router.post(PATH)
    async def take(request: Request) -> Response:
        """Answer a request of Teams."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _refuse("it has no token")
        body = await bodies.read(request, _MOST_BYTES)
        if body is None:
            return PlainTextResponse("too long\n", 413, {"Connection": "close"})
        try:
            content = json.loads(body)
            service_url = str(content["serviceUrl"])
        except (ValueError, RecursionError, KeyError, TypeError):
            return PlainTextResponse("this is no activity\n", 400)
        try:
            await verifier.verify(token, service_url)
        except RefusedRequestError as error:
            return _refuse(str(error))
        except NoKeysError as error:
            log.warning("a request to %s cannot be verified: %s", PATH, error)
            return PlainTextResponse("try again\n", 503, {"Retry-After": "5"})
        try:
            activity = Activity.model_validate(content)
        except ValidationError as error:
            log.warning("a request to %s is of another kind: %s", PATH, error.errors(include_input=False))
            return PlainTextResponse("this is no activity of Microsoft Teams\n", 400)
        try:
            check_tenant(service_url, activity.tenant)
        except RefusedRequestError as error:
            return _refuse(str(error))
        answer = await listeners.take(activity)
        return Response(status_code=answer.status) if answer.body is None else JSONResponse(answer.body)

    return router


def _refuse(why: str) -> Response:
    log.warning("a request to %s is refused: %s", PATH, why)
    return PlainTextResponse("the token is not valid\n", 401)
