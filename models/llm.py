"""A language model that we did not train, as a version: `llm.json` of its folder, and its rewrites.

The model answers at an OpenAI-compatible endpoint (a vendor's, vLLM's, Ollama's), or llama.cpp runs its GGUF
file in this process. Both are asked by the same client, protect facts in the same way as our own models, and
refuse a draft that talks about the message, or quotes the prompt, instead of rewriting it.
"""

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from configs import StageConfig
from data.reasons import Language, reason
from data.records import PROTECTED, Engine, Prompt, Protection, Spec, Term
from models import prompts, protection, scoring, version_file
from models.chat import Chat, Listener
from models.endpoint import AbandonedError, Answer, ChatError, Endpoint, Question, UnusableError
from models.preview import Preview
from models.protection import Draft, DraftResult, Kept, Request, list_explained, show_to

FILE = "llm.json"
GGUF_FILE = "model.gguf"
_LOCAL_KEY = "LLAMACPP_API_KEY"
_RETRY_TEMPERATURE = (
    0.7  # other drafts of a greedy rewrite are samples, since an endpoint has no alternatives
)


class LlamaCpp(StageConfig):
    """How llama.cpp runs a GGUF file in the process of the inference service."""

    threads: Annotated[int, Field(ge=1, le=256)] = 2
    slots: Annotated[int, Field(ge=1, le=64, description="requests at the same time")] = 2
    context: Annotated[int, Field(ge=1024, description="tokens of a request and its answer")] = 4096
    timeout_s: Annotated[float, Field(gt=0, description="for one answer")] = 60


class LlmConfig(StageConfig):
    """The model, at an endpoint or run by llama.cpp, and how it is asked."""

    endpoint: Endpoint | None = None
    llamacpp: LlamaCpp | None = None
    prompt: Prompt = "frame-2"
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 256

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.endpoint is None) == (self.llamacpp is None):
            raise ValueError("name either an endpoint or llamacpp, not both")
        return self

    @property
    def engine(self) -> Engine:
        """The engine that serves it."""
        return "openai" if self.endpoint else "llamacpp"


class Llm(LlmConfig):
    """The model of a version folder; llama.cpp runs the folder's `model.gguf`.

    `answers_as` is the name that its answers gave it when it was registered, and `described` what the
    endpoint's list of models said of its weights: when one of them changes, another model answers.
    """

    answers_as: str | None = None
    described: dict[str, Any] = Field(default_factory=dict)

    def spec(self, version: str, protection: Protection = PROTECTED) -> Spec:
        """The spec by which a version of this model is served."""
        return Spec(
            version=version,
            prompt=self.prompt,
            engine=self.engine,
            max_new_tokens=self.max_new_tokens,
            protection=protection,
        )


def write(model: Llm, languages: Sequence[Language], out: Path, gguf: Path | None = None) -> str:
    """Ask the model once, and write its version folder, completely or not at all. Returns the digest of what
    determines its rewrites and its price.

    `languages` are those that it may write; `gguf` is its file, for llama.cpp. An existing `out` is replaced.
    Raises ChatError when the model does not answer, and ValueError when it has no file.
    """
    if model.llamacpp and not (gguf and gguf.is_file()):
        raise ValueError(f"llama.cpp runs a GGUF file, and {gguf} is none: set gguf")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    digest = blake2b(digest_size=8)
    if model.llamacpp:
        assert gguf is not None
        shutil.copyfile(gguf, partial / GGUF_FILE)
        with (partial / GGUF_FILE).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    (partial / FILE).write_text(model.model_dump_json(indent=1), encoding="utf-8")
    writer = Writer(partial)
    try:
        [answer] = writer.chat.ask([Question("Answer in one word.", "Hello", max_tokens=64)])
        if isinstance(answer, ChatError):
            raise answer
        described = writer.chat.describe() if model.endpoint else {}  # the digest of the file says more
    finally:
        writer.close()
    registered = model.model_copy(update={"answers_as": answer.model, "described": described})
    (partial / FILE).write_text(registered.model_dump_json(indent=1), encoding="utf-8")
    digest.update(registered.model_dump_json().encode())
    digest.update(repr(languages).encode())
    version = {
        "form": "text",
        "engine": model.engine,
        "languages": list(languages),
        "base": answer.model,
        "policy": digest.hexdigest(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (partial / version_file.NAME).write_text(json.dumps(version, indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)
    return digest.hexdigest()


def read(folder: Path) -> Llm:
    """The `llm.json` of a version folder; FileNotFoundError when the folder has none."""
    return Llm.model_validate_json((folder / FILE).read_text(encoding="utf-8"))


class Writer:
    """A version folder's model, ready to answer. Safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Start llama.cpp, or connect to the endpoint.

        Raises ChatError when the endpoint does not answer, or has another model than the folder names.
        """
        self.llm = read(folder)
        self._server = None
        if self.llm.llamacpp is None:
            assert self.llm.endpoint is not None
            self.chat = Chat(self.llm.endpoint)
        else:
            self._server, endpoint, key = start_llamacpp(folder / GGUF_FILE, self.llm.llamacpp)
            self.chat = Chat(endpoint, {_LOCAL_KEY: key})
        try:
            self._refuse_other_weights(folder.name)
        except ChatError:
            self.close()
            raise

    def rewrite(
        self,
        requests: Sequence[Request],
        spec: Spec,
        seeds: Sequence[int | None] = (),
        previews: Mapping[int, Preview] = MappingProxyType({}),
        observe: Callable[[DraftResult], None] | None = None,
        terms: Sequence[Sequence[Term]] = (),
    ) -> list[Kept | ChatError]:
        """The rewrites of messages, or the errors in their places. Facts are protected as the spec says.

        The request at a place of `previews` shows its first draft while it is written, unless its preview is
        not shown; AbandonedError when its reader has left, which closes the requests for all its drafts. With
        `seeds`, one for each request, an endpoint that knows seeds gives the same samples again; requests
        with the same seed get different samples. `observe` is called with each draft that was answered.
        `terms` are those of dictionaries in each message, if there are some.
        """
        errors: dict[int, ChatError] = {}
        masked: dict[int, str] = {}
        talked: set[str] = set()  # masked texts that a draft talked about
        draws = _draws(seeds or [None] * len(requests))
        terms = terms or [()] * len(requests)

        def write(texts: Mapping[int, str], retries: int) -> dict[int, list[Draft]]:
            masked.update(texts)
            errors.update({i: AbandonedError() for i in texts if i in previews and previews[i].is_abandoned})
            asked = [(i, n) for i in texts if i not in errors for n in range(max(1, retries))]
            questions = []
            for i, number in asked:
                message, transform_type, intensity = requests[i]
                explained = list_explained(message, spec.protection, terms[i])
                turns = prompts.turns(spec.prompt, texts[i], transform_type, intensity, explained)
                sampling = _sample(spec.temperature, draws[i], retries, number)
                questions.append(Question(*turns, spec.max_new_tokens, *sampling))
            listeners = {}
            for place, (i, _) in enumerate(asked):
                if (preview := previews.get(i)) is not None:
                    is_shown = preview.is_shown and not retries
                    show = show_to(preview, requests[i], spec.protection, _is_rewrite, terms[i])
                    listeners[place] = Listener(preview, show if is_shown else None)
            drafts: dict[int, list[Draft]] = {i: [] for i in texts}
            for (i, _), reply in zip(asked, self.chat.ask(questions, listeners), strict=True):
                answer = self._check(reply)
                if isinstance(answer, Answer):
                    drafts[i].append(
                        Draft(answer.text, answer.output_tokens, answer.finished, answer.input_tokens)
                    )
                elif not retries or isinstance(answer, AbandonedError):
                    errors[i] = answer  # another retry that fails leaves the first draft
            return drafts

        def accept(request: Request, draft: str) -> bool:
            if not (is_rewrite := _is_rewrite(request, draft)):
                talked.add(request[0])
            return is_rewrite

        kept = protection.rewrite(
            requests, spec.protection, write, accept=accept, observe=observe, terms=terms
        )
        return [errors.get(i, _explain(rewrite, masked[i] in talked)) for i, rewrite in enumerate(kept)]

    def cost_usd(self, kept: Kept) -> float:
        """The price of a rewrite with all its drafts; 0 for a model in this process."""
        endpoint = self.llm.endpoint
        return endpoint.cost_usd(kept.prompt_tokens, kept.tokens) if endpoint else 0.0

    def close(self) -> None:
        """Close the connections, and free the model in this process. No rewrite may be running."""
        self.chat.close()
        self._server = None  # the library stops the server with its object

    def _refuse_other_weights(self, version: str) -> None:
        if self.llm.described and (now := self.chat.describe()) != self.llm.described:
            raise UnusableError(
                f"{version} was registered for {self.llm.described}, and the endpoint has {now} now: register"
                " that model as another version"
            )

    def _check(self, reply: Answer | ChatError) -> Answer | ChatError:
        """An error in place of another model's answer."""
        expected = self.llm.answers_as
        if isinstance(reply, ChatError) or expected is None or reply.model == expected:
            return reply
        return UnusableError(
            f"{self.chat.endpoint.model} answers as {reply.model} now, and this version is {expected}:"
            " register it again, as another version"
        )


def _is_rewrite(request: Request, draft: str) -> bool:
    """Whether a draft, finished or not, neither talks about the message nor quotes the prompt."""
    text, transform_type, _ = request
    return not (scoring.chatter(text, draft) or prompts.quotes_prompt(text, draft, transform_type))


class _Draw(NamedTuple):
    """A request's seed, and how many requests before it have the same seed."""

    seed: int | None
    place: int


def _draws(seeds: Sequence[int | None]) -> list[_Draw]:
    places: Counter[int | None] = Counter()
    draws = []
    for seed in seeds:
        draws.append(_Draw(seed, places[seed]))
        places[seed] += 1
    return draws


def _sample(temperature: float, draw: _Draw, retries: int, number: int) -> tuple[float, int | None]:
    """The temperature and the seed of a draft; `number` counts the drafts of a request."""
    if temperature == 0:
        # Always the same seeds, so that a spec gives the same text again where the endpoint knows seeds.
        return (_RETRY_TEMPERATURE, number) if retries else (0.0, None)
    if draw.seed is None:
        return temperature, None
    parts = f"{draw.seed} {draw.place} {retries} {number}"
    return temperature, int.from_bytes(blake2b(parts.encode(), digest_size=4).digest()) >> 1


def _explain(kept: Kept, talked: bool) -> Kept:
    """Name chatter as the reason where it is why no draft was left."""
    return kept._replace(unchanged=reason("unchanged_chatter")) if kept.unchanged and talked else kept


class LocalServer(NamedTuple):
    """llama.cpp's server in this process, its endpoint, and the key that it asks for. The library stops the
    server with its object.
    """

    server: Any
    endpoint: Endpoint
    key: str


def start_llamacpp(gguf: Path, settings: LlamaCpp) -> LocalServer:
    """Start llama.cpp's server on a free port of 127.0.0.1, with a GGUF file: the model's name is the file's.

    The key belongs into the variable `endpoint.key_variable` of the environment of who asks. Raises
    ValueError when there is no such file.
    """
    import xllamacpp

    if not gguf.is_file():
        raise ValueError(f"{gguf} is missing: write the version folder again")
    key = secrets.token_hex(16)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.model_alias = {gguf.stem}
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.slots * settings.context
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings.threads
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [key]
    parameters.ui = parameters.endpoint_props = parameters.endpoint_slots = False
    parameters.verbosity = -1  # its log would have the messages
    server = xllamacpp.Server(parameters)
    endpoint = Endpoint(
        base_url=f"{server.listening_address}/v1",
        model=gguf.stem,
        key_variable=_LOCAL_KEY,
        timeout_s=settings.timeout_s,
        retries=0,
        concurrency=settings.slots,
    )
    return LocalServer(server, endpoint, key)
