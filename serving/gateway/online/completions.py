"""Requests and answers in the form of OpenAI's API: a codec of the gateway's front.

A model is a transform type and an intensity, and the last message is what is rewritten. docs/openai.md says
what is obeyed, what changes nothing and what is refused.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from starlette.responses import Response

from data.fields import FactsMissing, VersionName
from data.reasons import Reason, reason
from data.records import TransformType
from serving.events import HEARTBEAT, Kind
from serving.gateway import problems
from serving.gateway.auth import Caller
from serving.gateway.online.answering import (
    AnswerId,
    CacheLevel,
    EncodedAnswer,
    FellBack,
    ReceiptText,
    TransformedText,
    VariantName,
    WhyUnchanged,
)
from serving.gateway.online.bodies import Text, TransformRequest, UserId
from serving.gateway.online.decoding import read_json
from serving.gateway.online.placement import Message
from serving.gateway.problems import InvalidError, NotFoundError, SignatureError
from serving.validation import reason_of

PATH = "/v1/chat/completions"
_MAX_BYTES = 1024 * 1024  # clients send the whole conversation, of which the last message counts
_OWNER = "tonebridge"
MODELS = tuple(f"{_OWNER}/{kind}-{intensity}" for kind in TransformType for intensity in range(4))
_MODEL = re.compile(rf"{_OWNER}/({'|'.join(TransformType)})-([0-3])")
_CREATED = 1_795_824_000  # 2026-11-28, UTC: the names of the models are that old
_DONE = b"data: [DONE]\n\n"


# --- requests ------------------------------------------------------------------------------------------

_CONTENT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        TypeAdapter(Text).json_schema(),
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"type": {"const": "text"}, "text": TypeAdapter(Text).json_schema()},
                "required": ["type", "text"],
            },
        },
    ]
}
_Ignored = Annotated[Any, Field(description="accepted, and changes nothing")]
_REFUSED = Field(description="refused, unless the value asks for nothing")
_NoList = Annotated[Annotated[list[Any], Field(max_length=0)] | None, _REFUSED]
_Nothing = Annotated[None, _REFUSED]


class ChatMessage(BaseModel):
    """A turn of a conversation."""

    model_config = ConfigDict(extra="allow")

    role: Annotated[
        str, Field(json_schema_extra={"enum": ["user", "assistant"]}, description="who wrote the turn")
    ]
    content: Annotated[
        Any,
        WithJsonSchema(_CONTENT_SCHEMA),
        Field(description="of the last message: what to rewrite; the texts of several parts are its lines"),
    ] = None


class StreamOptions(BaseModel):
    """What a stream contains besides the answer."""

    include_usage: Annotated[
        bool | None, Field(description="a last chunk has the tokens", examples=[True])
    ] = None


class OnlyText(BaseModel):
    """The one format of an answer."""

    type: Annotated[Literal["text"], Field(description="a plain text")]


class CompletionRequest(BaseModel):
    """A message to rewrite. The last of `messages` is the message, and has the role `user`; earlier turns
    change nothing. A system message is refused, since ToneBridge follows no instructions.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "model": "tonebridge/soften-2",
                    "messages": [{"role": "user", "content": "Fix the login page before Monday."}],
                    "user": "ann",
                }
            ]
        },
    )

    model: Annotated[
        str, Field(json_schema_extra={"enum": list(MODELS)}, description="transform type and intensity")
    ]
    messages: Annotated[list[ChatMessage], Field(min_length=1, description="the turns, the oldest first")]
    stream: Annotated[bool | None, Field(strict=True, description="answer with server-sent events")] = None
    stream_options: Annotated[
        StreamOptions | None, Field(description="what a stream contains besides the answer")
    ] = None
    user: Annotated[
        UserId | None, Field(description="your name for the person, scoped to your key", examples=["ann"])
    ] = None

    frequency_penalty: _Ignored = None
    max_completion_tokens: _Ignored = None
    max_tokens: _Ignored = None
    metadata: _Ignored = None
    parallel_tool_calls: _Ignored = None
    prediction: _Ignored = None
    presence_penalty: _Ignored = None
    prompt_cache_key: _Ignored = None
    prompt_cache_options: _Ignored = None
    prompt_cache_retention: _Ignored = None
    reasoning_effort: _Ignored = None
    safety_identifier: _Ignored = None
    seed: _Ignored = None
    service_tier: _Ignored = None
    temperature: _Ignored = None
    top_p: _Ignored = None
    verbosity: _Ignored = None

    # These cannot be obeyed, so each may only have the value that asks for nothing.
    audio: _Nothing = None
    function_call: Annotated[Literal["none", "auto"] | None, _REFUSED] = None
    functions: _NoList = None
    logit_bias: Annotated[Annotated[dict[str, Any], Field(max_length=0)] | None, _REFUSED] = None
    logprobs: Annotated[Literal[False] | None, _REFUSED] = None
    moderation: _Nothing = None
    modalities: Annotated[list[Literal["text"]] | None, _REFUSED] = None
    n: Annotated[Literal[1] | None, _REFUSED] = None
    response_format: Annotated[OnlyText | None, _REFUSED] = None
    stop: _NoList = None
    store: Annotated[Literal[False] | None, _REFUSED] = None
    tool_choice: Annotated[Literal["none", "auto"] | None, _REFUSED] = None
    tools: _NoList = None
    top_logprobs: Annotated[Literal[0] | None, _REFUSED] = None
    web_search_options: _Nothing = None


_OBEYED = frozenset({"model", "messages", "stream", "stream_options", "user"})


def _parse(content: Any) -> CompletionRequest:
    """A request; InvalidError, by parameter."""
    try:
        return CompletionRequest.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    by_parameter: dict[str, Reason] = {}
    for fault in faults:
        name = str(fault["loc"][0]) if fault["loc"] else "body"
        if name in CompletionRequest.model_fields and name not in _OBEYED:
            by_parameter[name] = reason("completion_parameter_not_obeyed", parameter=name)
        else:
            by_parameter[_locate(fault["loc"])] = reason_of(fault)
    raise InvalidError(by_parameter)


def _locate(location: tuple[int | str, ...]) -> str:
    """A place in a request, such as `messages[0].role`."""
    names = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(names).removeprefix(".") or "body"


def _find_text(messages: list[ChatMessage]) -> str:
    """The text to rewrite; InvalidError when there is none, or other messages ask for what cannot be done."""
    for i, message in enumerate(messages):
        if message.role in ("system", "developer"):
            raise InvalidError(
                {f"messages[{i}].role": reason("completion_no_instructions", role=message.role)}
            )
        if message.role not in ("user", "assistant"):
            raise InvalidError({f"messages[{i}].role": reason("completion_role_unknown", role=message.role)})
    last = len(messages) - 1
    if messages[last].role != "user":
        raise InvalidError({f"messages[{last}].role": reason("completion_last_not_user")})
    content = messages[last].content
    if isinstance(content, str):
        return content
    where = f"messages[{last}].content"
    if not isinstance(content, list) or not content:
        raise InvalidError({where: reason("completion_no_text")})
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            raise InvalidError({f"{where}[{i}]": reason("completion_part_not_text", kind=str(kind)[:40])})
        if not isinstance(part.get("text"), str):
            raise InvalidError({f"{where}[{i}].text": reason("completion_no_text")})
        texts.append(part["text"])
    return "\n".join(texts)


def split_model(model: str) -> tuple[str, int]:
    """Transform type and intensity of a model; NotFoundError when there is no such model."""
    match = _MODEL.fullmatch(model)
    if match is None:
        raise NotFoundError("completion_model_unknown", model=model[:100], types=", ".join(TransformType))
    return match[1], int(match[2])


# --- answers -------------------------------------------------------------------------------------------


class AssistantMessage(BaseModel):
    """The rewrite."""

    role: Annotated[Literal["assistant"], Field(description="who wrote it")] = "assistant"
    content: TransformedText
    refusal: Annotated[None, Field(description="always null", examples=[None])] = None


class CompletionChoice(BaseModel):
    """The one answer."""

    index: Annotated[Literal[0], Field(description="there is one choice")] = 0
    message: AssistantMessage
    logprobs: Annotated[None, Field(description="always null", examples=[None])] = None
    finish_reason: Annotated[Literal["stop"], Field(description="the text is complete")] = "stop"


class Usage(BaseModel):
    """The tokens that a model read and wrote for this request: zero for a text that was written before."""

    prompt_tokens: Annotated[int, Field(description="tokens that a model read", examples=[0])]
    completion_tokens: Annotated[int, Field(description="tokens that a model wrote", examples=[0])]
    total_tokens: Annotated[int, Field(description="the sum of both", examples=[0])]


class Details(BaseModel):
    """What an answer of `/api/v1/transform` has besides its text. The receipt takes feedback."""

    answer_id: AnswerId
    receipt: ReceiptText
    variant: VariantName
    version: Annotated[VersionName, Field(description="the version that wrote the text")]
    cache: CacheLevel
    fallback: FellBack
    facts_missing: FactsMissing
    unchanged: WhyUnchanged


class Completion(BaseModel):
    """A rewrite. `tonebridge` is no field of OpenAI's; in a stream, the chunk with `finish_reason` has it."""

    id: Annotated[
        str,
        Field(
            description="`chatcmpl-` and the id of the answer",
            examples=["chatcmpl-01a22303-92fd-74fc-b4f4-074280c0308c"],
        ),
    ]
    object: Annotated[Literal["chat.completion"], Field(description="what this is")] = "chat.completion"
    created: Annotated[
        int, Field(description="when it was answered, in seconds since 1970", examples=[1795896356])
    ]
    model: Annotated[str, Field(description="the model of the request", examples=["tonebridge/soften-2"])]
    choices: Annotated[list[CompletionChoice], Field(description="the one answer")]
    usage: Usage
    system_fingerprint: Annotated[VersionName, Field(description="the version that wrote the text")]
    tonebridge: Details


class Model(BaseModel):
    """A transform type at an intensity."""

    id: Annotated[str, Field(description="name of the model", examples=["tonebridge/soften-2"])]
    object: Annotated[Literal["model"], Field(description="what this is")] = "model"
    created: Annotated[int, Field(description="since when it has this name, in seconds since 1970")] = (
        _CREATED
    )
    owned_by: Annotated[str, Field(description="always `tonebridge`")] = _OWNER


class Models(BaseModel):
    """All models, by type and intensity."""

    object: Annotated[Literal["list"], Field(description="what this is")] = "list"
    data: Annotated[list[Model], Field(description="the 28 models")]


class ErrorDetails(BaseModel):
    """What is wrong, and what to do. `code` is OpenAI's where clients know one, else that of the reason."""

    message: Annotated[
        str, Field(description="what is wrong, and what to do", examples=["This API key is unknown."])
    ]
    type: Annotated[
        str,
        Field(
            description="`invalid_request_error`, `requests`, `insufficient_quota` or `server_error`",
            examples=["invalid_request_error"],
        ),
    ]
    param: Annotated[
        str | None, Field(description="the parameter that is wrong; null: none is", examples=[None])
    ]
    code: Annotated[str, Field(description="a code for programs", examples=["invalid_api_key"])]


class ErrorDocument(BaseModel):
    """An error in OpenAI's shape."""

    error: ErrorDetails


# The names of a rewrite's fields in a request for a completion.
_PARAMETERS = {"text": "messages", "user_id": "user"}
_CODES = {
    "completion_model_unknown": "model_not_found",
    "plan_quota": "insufficient_quota",
    "key_quota": "insufficient_quota",
    "plan_rate": "rate_limit_exceeded",
    "plan_concurrent": "rate_limit_exceeded",
}
_TOO_LONG = {"invalid_string_too_long", "text_too_long_for_model"}  # of a text
_PASSED_ON = ("Retry-After", "RateLimit-Policy", "RateLimit", "Connection")


def refuse(error: Exception) -> Response:
    """The response to an exception in OpenAI's shape. The statuses are those of its problem (`problems`), but
    400 for 422, which clients of OpenAI do not expect.
    """
    problem = problems.answer(error)
    document = json.loads(bytes(problem.body))
    status = 400 if problem.status_code == 422 else problem.status_code
    parameter, message, code = None, document["detail"], document["reasons"][0]["code"]
    if isinstance(error, InvalidError):
        by_parameter = {_PARAMETERS.get(field, field): field for field in error.by_field}
        parameter, field = next(iter(by_parameter.items()))
        message = "; ".join(_explain(name, field, error) for name, field in by_parameter.items())
        if field == "text" and code in _TOO_LONG:
            code = "context_length_exceeded"
        elif field == "body":
            parameter = None
    elif code == "completion_model_unknown":
        parameter = "model"
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = _CODES.get(code, code)
    if status == 401 and not isinstance(error, SignatureError):
        code = "invalid_api_key"
    elif status == 429:
        kind = "insufficient_quota" if code == "insufficient_quota" else "requests"
    body = {"error": {"message": message, "type": kind, "param": parameter, "code": code}}
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = {name: problem.headers[name] for name in _PASSED_ON if name in problem.headers}
    return Response(content, status, headers, "application/json")


def _explain(parameter: str, field: str, error: InvalidError) -> str:
    sentence = f"{parameter}: {error.by_field[field]}"
    return f"{sentence} (allowed: {problems.allowed(field)})" if field in _PARAMETERS else sentence


class _Receipt(msgspec.Struct):
    receipt: str


class _Received(msgspec.Struct):
    tonebridge: _Receipt


_decode_receipt = msgspec.json.Decoder(_Received).decode


class Exchange:
    """One request for a completion, and its answer: a `Codec` of the gateway's front.

    A draft may be replaced, and OpenAI's protocol cannot take text back. So a stream has no drafts: comments
    until the answer is there, then the answer.
    """

    path, max_bytes, shows_drafts, heartbeat = PATH, _MAX_BYTES, False, HEARTBEAT
    refuse = staticmethod(refuse)

    def __init__(self) -> None:
        self._model, self._has_usage = "", False

    def read(self, body: bytes, headers: dict[bytes, bytes], caller: Caller) -> tuple[Message, bool]:
        """The message, and whether its answer is streamed; InvalidError, by parameter, or NotFoundError for a
        model that does not exist.
        """
        request = _parse(read_json(body, headers))
        transform_type, intensity = split_model(request.model)
        fields = {
            "text": _find_text(request.messages),
            "transform_type": transform_type,
            "intensity": intensity,
            "user_id": request.user,
        }
        try:
            message = TransformRequest.model_validate(fields).message(caller)
        except ValidationError as error:
            raise InvalidError(problems.by_field(error.errors(include_url=False))) from error
        self._model = request.model
        self._has_usage = bool(request.stream_options and request.stream_options.include_usage)
        return message, bool(request.stream)

    def write(self, answer: EncodedAnswer) -> bytes:
        """The completion of an answer, JSON."""
        fields: Mapping[str, Any] = msgspec.json.decode(answer.body)
        work = answer.work
        completion = Completion(
            id=f"chatcmpl-{fields['answer_id']}",
            created=int(time.time()),
            model=self._model,
            choices=[CompletionChoice(message=AssistantMessage(content=fields["transformed_text"]))],
            usage=Usage(
                prompt_tokens=work.prompt_tokens,
                completion_tokens=work.tokens,
                total_tokens=work.prompt_tokens + work.tokens,
            ),
            system_fingerprint=fields["version"],
            tonebridge=Details.model_validate(fields),
        )
        return completion.model_dump_json().encode()

    def encode(self, kind: Kind, json: bytes) -> bytes:
        """The end of a stream: the chunks of a completion and the end mark, or an error."""
        if kind == "error":
            return _encode_data(json)
        assert kind == "answer", f"a stream of completions has no {kind}"
        completion = msgspec.json.decode(json)
        details, usage = completion.pop("tonebridge"), completion.pop("usage")
        [choice] = completion.pop("choices")
        common = {**completion, "object": "chat.completion.chunk"}
        if self._has_usage:
            common["usage"] = None  # in each chunk but the last one, as OpenAI has it

        def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
            choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
            return _encode_data(msgspec.json.encode({**common, "choices": choices, **more}))

        chunks = [
            chunk({"role": "assistant", "content": "", "refusal": None}),
            chunk({"content": choice["message"]["content"]}),
            chunk({}, choice["finish_reason"], tonebridge=details),
        ]
        if self._has_usage:
            chunks.append(_encode_data(msgspec.json.encode({**common, "choices": [], "usage": usage})))
        return b"".join(chunks) + _DONE

    def headers(self, json: bytes) -> list[tuple[bytes, bytes]]:
        """The receipt of a completion, for clients that hide fields which they do not know."""
        return [(b"x-tonebridge-receipt", _decode_receipt(json).tonebridge.receipt.encode())]


def _encode_data(json: bytes) -> bytes:
    return b"data: %b\n\n" % json
