"""An OpenAI-compatible endpoint of a language model: where it is, a question, its answer, and its errors."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from configs import StageConfig


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write the URL with http:// or https:// and a host, such as https://host/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("leave keys out of the URL, which is stored: name their variable in key_variable")
    return url.rstrip("/")


def _check_variable(name: str) -> str:
    # The ending lets `pipelines.environments` keep these keys from the processes that need none.
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", name) or name.startswith("TONEBRIDGE_"):
        raise ValueError(
            "name a variable such as MISTRAL_API_KEY: capitals that end in _API_KEY and do not begin"
            " with TONEBRIDGE_"
        )
    return name


class Endpoint(StageConfig):
    """Where a model answers, what it costs and how much it may be asked. It holds no key."""

    base_url: Annotated[str, AfterValidator(_check_url), Field(description="ends in /v1 at most servers")]
    model: Annotated[str, Field(min_length=1, description="as the endpoint names it")]
    key_variable: Annotated[
        Annotated[str, AfterValidator(_check_variable)] | None,
        Field(description="the environment variable with the key, such as OPENAI_API_KEY; no key when unset"),
    ] = None
    limit_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"],
        Field(description="the field that limits an answer; OpenAI's newer models know the second only"),
    ] = "max_tokens"
    extra: dict[str, Any] = Field(
        default_factory=dict, description="further fields of each request, such as reasoning_effort"
    )
    timeout_s: Annotated[float, Field(gt=0, description="for an attempt, and the longest wait after it")] = 9
    retries: Annotated[int, Field(ge=0, le=8, description="of a request after 429, 5xx or no answer")] = 1
    concurrency: Annotated[int, Field(ge=1, le=256, description="requests at the same time")] = 8
    daily_tokens: Annotated[
        int | None,
        Field(ge=1, description="read and written in a day (UTC) by one process; no limit when unset"),
    ] = None
    input_usd: Annotated[float, Field(ge=0, description="US dollars per million tokens read")] = 0
    output_usd: Annotated[float, Field(ge=0, description="US dollars per million tokens written")] = 0

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """The price of so many tokens."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1e6

    def read_key(self, environment: Mapping[str, str]) -> str | None:
        """The key in `key_variable`, None when no key is named. Raises KeyMissingError when it is not set."""
        if self.key_variable is None:
            return None
        if key := environment.get(self.key_variable):
            return key
        raise KeyMissingError(
            f"the environment variable {self.key_variable} is not set: put the key of {self.base_url} into"
            " it, in the environment of the process that asks"
        )


class Question(NamedTuple):
    """What a model is asked: the system's turn, which may be empty, and the user's turn.

    People's texts belong in the user's turn: tokens of chat templates are split there when it is sent.
    """

    system: str
    user: str
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None


class Answer(NamedTuple):
    """A model's text, the tokens that it read and wrote, and the name that the endpoint gives the model.

    The text has no space around it, and is one that Postgres can store. An answer that was cut is not
    `finished`.
    """

    text: str
    finished: bool
    input_tokens: int
    output_tokens: int
    model: str


class ChatError(Exception):
    """The model gave no answer."""


class AbandonedError(ChatError):
    """Who read the answer while it was written has left."""

    def __init__(self) -> None:
        super().__init__("the reader has left")


class KeyMissingError(ChatError):
    """The environment variable of the key is not set."""


class BudgetSpentError(ChatError):
    """The tokens of the day are spent; nothing was sent."""


class RefusedError(ChatError):
    """The endpoint refused the request, and would refuse it again."""


class TooLongError(ChatError):
    """The question has more tokens than the model reads."""

    def __init__(self, name: str, tokens: int, limit: int) -> None:
        super().__init__(f"{name}: the question has {tokens:,} tokens, and it reads at most {limit:,}")
        self.tokens, self.limit = tokens, limit


class UnavailableError(ChatError):
    """The endpoint did not answer in time, or was overloaded, after all retries."""


class UnusableError(ChatError):
    """The endpoint answered something that is no chat completion with text and usage."""
