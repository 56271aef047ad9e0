"""A client of a language model behind an OpenAI-compatible endpoint: a vendor's, vLLM's, Ollama's.

It splits the tokens of chat templates in what people wrote, retries what may pass (429, 5xx, no answer), and
counts tokens against a daily budget. Its libraries are imported when a `Chat` is made, since they take a
second and 66 MB.
"""

import asyncio
import os
import random
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr

from models import prompts
from models.endpoint import (
    AbandonedError,
    Answer,
    BudgetSpentError,
    ChatError,
    Endpoint,
    Question,
    RefusedError,
    TooLongError,
    UnavailableError,
    UnusableError,
)
from models.preview import Preview

if TYPE_CHECKING:
    from openai import APIStatusError

_NO_KEY = "no-key"  # without one, the library would send OPENAI_API_KEY to whatever endpoint this is
_FIRST_WAIT_S = 0.5  # before the first retry; doubled before each further one
_LONGEST_CODE = 60  # characters of an endpoint's code for an error, or of the name of a field
_FIELDS_OF_WEIGHTS = ("root", "parent", "digest", "meta")  # of a list of models: vLLM's and llama.cpp's
_BYTES_A_TOKEN = 3  # fewer than English text has, so an estimate of a prompt's tokens is rather too high
# Tokens of chat templates. A server would read them in a message as tokens, too, so they are split.
_SPECIALS = re.compile(r"<\|[^<|>]*\|>|</?s>|<(?:start|end)_of_turn>|\[/?(?:INST|SYSTEM_PROMPT)\]")


class Listener(NamedTuple):
    """Who waits for an answer: `preview` knows whether they have left. `show` gets the answer so far while it
    is written; None when nobody sees it.
    """

    preview: Preview
    show: Callable[[str], object] | None = None


class Chat:
    """A connection to an endpoint, used from any thread. `close()` it at the end.

    Requests run on an event loop of its own, in a thread of its own.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        environment: Mapping[str, str] = os.environ,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        """KeyMissingError when `environment` lacks the key's variable. `today` is the day of the budget,
        `first_wait_s` the wait before the first retry where the endpoint names none.
        """
        key = endpoint.read_key(environment) or _NO_KEY
        # Else LangChain sends every text to LangSmith where the environment asks for it. Its library reads
        # the variables once, so they are set before it is imported.
        os.environ["LANGSMITH_TRACING_V2"] = os.environ["LANGSMITH_TRACING"] = "false"
        import httpx
        from langchain_openai import ChatOpenAI

        self.endpoint = endpoint
        self._first_wait_s = first_wait_s
        self._budget = _Budget(endpoint.daily_tokens, today)
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        # LangChain's default client is shared by all event loops of a process, which httpx does not allow.
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=endpoint.concurrency))
        self._model = ChatOpenAI(
            model=endpoint.model,
            base_url=endpoint.base_url,
            api_key=SecretStr(key),
            timeout=None,  # `_send` has a limit for the whole answer; the library's is one for each read
            max_retries=0,  # `_ask` retries
            http_async_client=self._http,
            use_responses_api=False,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat", daemon=True)
        self._thread.start()

    def ask(
        self, questions: Sequence[Question], listeners: Mapping[int, Listener] = MappingProxyType({})
    ) -> list[Answer | ChatError]:
        """The answers, or the errors in their places, in the order of the questions.

        The question at a place of `listeners` is streamed, if it is shown. When its reader leaves, the
        request is closed, and its error is AbandonedError.
        """
        return asyncio.run_coroutine_threadsafe(self._ask_all(questions, listeners), self._loop).result()

    def describe(self) -> dict[str, Any]:
        """What the endpoint's list of models says of the model's weights; empty where it says nothing.

        Raises ChatError when the endpoint does not answer.
        """
        return asyncio.run_coroutine_threadsafe(self._describe(), self._loop).result()

    def close(self) -> None:
        """Close the connections. No question may be open."""
        asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ask_all(
        self, questions: Sequence[Question], listeners: Mapping[int, Listener]
    ) -> list[Answer | ChatError]:
        return await asyncio.gather(
            *(self._ask_or_leave(question, listeners.get(i)) for i, question in enumerate(questions))
        )

    async def _ask_or_leave(self, question: Question, listener: Listener | None) -> Answer | ChatError:
        if listener is None:
            return await self._ask_or_fail(question, None)
        asking = asyncio.ensure_future(self._ask_or_fail(question, listener))
        with listener.preview.when_abandoned(lambda: self._loop.call_soon_threadsafe(asking.cancel)):
            await asyncio.wait({asking})
        return AbandonedError() if asking.cancelled() else asking.result()

    async def _ask_or_fail(self, question: Question, listener: Listener | None) -> Answer | ChatError:
        async with self._slots:
            try:
                return await self._ask(question, listener)
            except ChatError as error:
                # Its frames are this loop's. Who raises it has frames of its own.
                return error.with_traceback(None)

    async def _ask(self, question: Question, listener: Listener | None) -> Answer:
        """An answer, with up to `endpoint.retries` retries of what may pass."""
        wait_s = self._first_wait_s
        for attempt in range(1, self.endpoint.retries + 2):
            try:
                return await self._send(question, listener)
            except _PassingError as error:
                named_s = error.retry_after_s
                if attempt > self.endpoint.retries or (named_s or 0) > self.endpoint.timeout_s:
                    raise UnavailableError(f"{self._name}: {error}; attempts: {attempt}") from None
                # Up to half as long again, so that requests that failed together do not return together.
                await asyncio.sleep(wait_s * random.uniform(1, 1.5) if named_s is None else named_s)
                wait_s *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, question: Question, listener: Listener | None) -> Answer:
        """One request. Its tokens are in the budget from its start: as many as it may take, until the answer
        names them.
        """
        import openai

        prompt_bytes = len(f"{question.system}{question.user}".encode())
        reserved = prompt_bytes // _BYTES_A_TOKEN + question.max_tokens
        self._budget.spend(reserved, self._name)
        used = reserved  # an answer that is not read costs tokens, too
        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                answer = await self._invoke(question, listener)
            used = answer.input_tokens + answer.output_tokens
            return answer
        except TimeoutError:
            raise _PassingError(f"no answer within {self.endpoint.timeout_s:g} s (timeout_s)") from None
        except openai.APIStatusError as error:
            used = 0
            raise self._error_of(error) from None  # its text may quote the message
        except openai.APIConnectionError:
            used = 0
            raise _PassingError("no connection; does its server run, and is base_url right?") from None
        except (openai.OpenAIError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            # Of LangChain, for a body that is no JSON, or another JSON. Its text quotes the body.
            raise UnusableError(
                f"{self._name}: the answer is no chat completion ({type(error).__name__}); is base_url right?"
            ) from None
        finally:
            self._budget.correct(used - reserved)

    async def _invoke(self, question: Question, listener: Listener | None) -> Answer:
        seed: dict[str, Any] = {} if question.seed is None else {"seed": question.seed}
        system = [("system", question.system)] if question.system else []
        turns = [*system, ("human", _neutralise(question.user))]
        arguments: dict[str, Any] = {
            "temperature": question.temperature,
            # In the body as it is, since LangChain sends `max_tokens` under its newer name only.
            "extra_body": {self.endpoint.limit_field: question.max_tokens, **self.endpoint.extra},
            **seed,
        }
        if listener is None or listener.show is None:
            message = await self._model.ainvoke(turns, **arguments)
        else:
            message = await self._stream(turns, arguments, listener.show)
        finish_reason, usage = message.response_metadata["finish_reason"], message.usage_metadata
        if not usage:
            raise UnusableError(
                f"{self._name}: the answer has no usage, so that its tokens cannot be counted"
            )
        text = _make_storable(message.content) if isinstance(message.content, str) else ""
        if not text:
            raise UnusableError(f"{self._name}: the answer is empty (finish_reason {finish_reason})")
        return Answer(
            text=text,
            finished=finish_reason == "stop",
            input_tokens=usage["input_tokens"],
            output_tokens=usage["output_tokens"],
            model=message.response_metadata["model_name"],
        )

    async def _stream(self, turns: Any, arguments: dict[str, Any], show: Callable[[str], object]) -> Any:
        """The whole message. `show` gets its text so far while it comes."""
        message: Any = None
        async for chunk in self._model.astream(turns, stream_usage=True, **arguments):
            message = chunk if message is None else message + chunk
            if isinstance(chunk.content, str) and chunk.content:
                show(_make_storable(message.content))
        return message

    def _error_of(self, error: "APIStatusError") -> Exception:
        """What a status other than 200 means. The endpoint's own text is left out: it may quote messages."""
        status = error.status_code
        detail = f"{status} {str(error.code or '')[:_LONGEST_CODE]}".strip()
        if status in (401, 403):
            variable = self.endpoint.key_variable or "not set: name the variable that holds the key"
            return RefusedError(f"{self._name}: {detail}; check the key: key_variable is {variable}")
        if status == 404:
            return RefusedError(f"{self._name}: {detail}; check base_url and model")
        body = error.body if isinstance(error.body, dict) else {}
        if "n_prompt_tokens" in body and "n_ctx" in body:  # llama.cpp's
            return TooLongError(self._name, body["n_prompt_tokens"], body["n_ctx"])
        if error.code == "insufficient_quota":
            return RefusedError(f"{self._name}: {detail}; the account has no credit left")
        if status == 429 or status == 408 or status >= 500:
            if status == 429:
                detail += "; it allows fewer requests: wait, lower concurrency, or raise retries"
            return _PassingError(detail, _retry_after_s(error.response.headers))
        return RefusedError(
            f"{self._name}: {detail} {str(error.param or '')[:_LONGEST_CODE]}; check limit_field and extra,"
            " which this model may not know, and whether the message fits its context"
        )

    async def _describe(self) -> dict[str, Any]:
        import openai

        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                page = await self._model.root_async_client.models.list()
        except openai.APIStatusError as error:
            if error.status_code in (403, 404, 405):  # it shows no list
                return {}
            raise RefusedError(f"{self._name}: {error.status_code} for its list of models") from None
        except (TimeoutError, openai.APIConnectionError):
            raise UnavailableError(f"{self._name}: no list of models; is base_url right?") from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise UnusableError(
                f"{self._name}: its list of models is none ({type(error).__name__})"
            ) from None
        entries = [entry.model_dump() for entry in page.data if entry.id == self.endpoint.model]
        described = {
            key: value for entry in entries for key, value in entry.items() if key in _FIELDS_OF_WEIGHTS
        }
        if isinstance(meta := described.get("meta"), dict):
            meta.pop("n_ctx", None)  # of the server
        return described

    @property
    def _name(self) -> str:
        return f"{self.endpoint.model} at {self.endpoint.base_url}"


class _PassingError(Exception):
    """A fault that a retry may find gone. `retry_after_s` is how long the endpoint asks to wait."""

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class _Budget:
    """The tokens of one day. It belongs to one event loop."""

    def __init__(self, daily_tokens: int | None, today: Callable[[], date]) -> None:
        self._daily_tokens, self._today = daily_tokens, today
        self._day, self._spent = today(), 0

    def spend(self, tokens: int, name: str) -> None:
        """Count tokens; BudgetSpentError when they are more than the day has left."""
        if (day := self._today()) != self._day:
            self._day, self._spent = day, 0
        if self._daily_tokens is not None and self._spent + tokens > self._daily_tokens:
            raise BudgetSpentError(
                f"{name}: {self._spent:,} of the {self._daily_tokens:,} tokens of {day} (UTC) are spent, and"
                f" this request may take {tokens:,}; raise daily_tokens, or wait for the next day"
            )
        self._spent += tokens

    def correct(self, tokens: int) -> None:
        """Count tokens that are spent already; fewer than 0 give some back."""
        self._spent = max(0, self._spent + tokens)  # below 0 for a request of the day before


def _neutralise(turn: str) -> str:
    """Split every token of a chat template in a user's turn, so that it stays text for a server."""
    while specials := _SPECIALS.findall(turn):
        turn = prompts.neutralise(turn, specials)
    return turn


def _make_storable(text: str) -> str:
    """A text without NUL and halves of surrogate pairs, which JSON can name and Postgres cannot store."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number of seconds or a date; None when the endpoint names neither."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
