"""The routes of OpenAI's API that ToneBridge has, for existing clients: `/v1/chat/completions` and
`/v1/models`.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from data.reasons import ReasonedError
from data.records import TransformType
from serving.gateway.dependencies import Admitted, Authenticated
from serving.gateway.online.completions import (
    MODELS,
    PATH,
    Completion,
    CompletionRequest,
    ErrorDocument,
    Model,
    Models,
    refuse,
    split_model,
)
from serving.gateway.problems import NotFoundError
from serving.gateway.refusals import IN_PROGRESS, LIMITED, TIMING, refuses
from serving.gateway.routes.rewriting import IdempotencyKey


class _OpenAIRoute(APIRoute):
    """A route that answers errors in OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_refuse(request: Request) -> Response:
            try:
                return await handle(request)
            except ReasonedError as error:
                return refuse(error)

        return handle_or_refuse


router = APIRouter(route_class=_OpenAIRoute, tags=["openai"])


_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request, or the plan's limits", "model": ErrorDocument},
    "5XX": {"description": "A part is unavailable; try again", "model": ErrorDocument},
}
_CHUNKS = """With `"stream": true`: server-sent events with chunks of a completion. Only comments come \
before the answer is known, since a draft may be replaced. The chunk with `finish_reason` has the field \
`tonebridge`; with `stream_options.include_usage` one more has the tokens. The last event is `[DONE]`, or an \
error in OpenAI's shape.
"""


_STREAM = """: heartbeat

data: {"id":"chatcmpl-01a22303-92fd-74fc-b4f4-074280c0308c","object":"chat.completion.chunk",\
"created":1795896356,"model":"tonebridge/soften-2","choices":[{"index":0,"delta":{"role":"assistant",\
"content":"","refusal":null},"logprobs":null,"finish_reason":null}],"system_fingerprint":"v2"}

data: {"id":"chatcmpl-01a22303-92fd-74fc-b4f4-074280c0308c","object":"chat.completion.chunk",\
"created":1795896356,"model":"tonebridge/soften-2","choices":[{"index":0,"delta":{"content":\
"Could you please fix the login page before Monday?"},"logprobs":null,"finish_reason":null}],\
"system_fingerprint":"v2"}

data: {"id":"chatcmpl-01a22303-92fd-74fc-b4f4-074280c0308c","object":"chat.completion.chunk",\
"created":1795896356,"model":"tonebridge/soften-2","choices":[{"index":0,"delta":{},"logprobs":null,\
"finish_reason":"stop"}],"system_fingerprint":"v2","tonebridge":{"answer_id":\
"01a22303-92fd-74fc-b4f4-074280c0308c","receipt":"TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4","variant":"champion",\
"version":"v2","cache":"miss","fallback":false,"facts_missing":[],"unchanged":null}}

data: [DONE]

"""
_UNKNOWN = (
    NotFoundError, "completion_model_unknown", {"model": "gpt-6", "types": ", ".join(TransformType)}
)  # fmt: skip


@router.post(
    PATH,
    responses={
        200: {
            "description": "The rewrite, or a stream that ends with it",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string", "description": _CHUNKS},
                    "example": _STREAM,
                }
            },
            "headers": {
                **TIMING,
                "X-ToneBridge-Receipt": {
                    "description": "takes feedback; a stream has it unless a comment came first",
                    "schema": {"type": "string"},
                    "example": "TiN0uSel66AzQ2Zl1Ybd9w0rXJ0aV5n4",
                },
            },
        },
        **LIMITED,
        **refuses(IN_PROGRESS, _UNKNOWN),
        **_ERRORS,
    },
)
async def create_chat_completion(
    body: CompletionRequest, caller: Authenticated, idempotency_key: IdempotencyKey = None
) -> Completion:
    """Rewrite a message, for clients of OpenAI's API: the last message of the user. It counts as a rewrite of
    `/api/v1/transform`. docs/openai.md says which parameters are obeyed, and which are refused.
    """
    raise AssertionError("this route is for the API's page; serving/gateway/online/front.py answers it")


@router.get("/v1/models", responses=_ERRORS)
async def list_models(caller: Admitted) -> Models:
    """List the models, for clients of OpenAI's API: each transform type at each intensity."""
    return Models(data=[Model(id=model) for model in MODELS])


@router.get("/v1/models/{model:path}", responses={**refuses(_UNKNOWN), **_ERRORS})
async def get_model(
    caller: Admitted,
    model: Annotated[
        str,
        Path(
            json_schema_extra={"enum": list(MODELS)},
            description="transform type and intensity",
            examples=["tonebridge/soften-2"],
        ),
    ],
) -> Model:
    """Read a model, for clients of OpenAI's API."""
    split_model(model)
    return Model(id=model)


@router.api_route(
    "/v1/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
)
async def refuse_others(rest: str) -> None:
    """Refuse the other routes of OpenAI's API in its own shape."""
    raise NotFoundError("completion_route_unknown", path=f"/v1/{rest[:100]}")
