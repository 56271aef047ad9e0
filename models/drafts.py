"""A teacher's drafts: it is asked for them, they are checked, and the judge compares them with the message.

The teacher drafts each request until a draft passes. With `pairs` it writes all drafts, and the judge sees
all that pass the checks.
"""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from tqdm import tqdm

from configs import StageConfig
from data import corpus
from data.records import Prompt, TransformType
from models import facts, fidelity, judge, languages, prompts, scoring
from models.chat import Chat
from models.endpoint import ChatError, Endpoint, Question
from models.judge import Pair
from models.labels import read_all
from models.replies import LimitReachedError, Replies
from models.teacher_requests import INTENSITIES, KINDS, Request
from models.validity import Validity, are_enough, labels_of, validate

_PROMPT: Prompt = "frame-2"
_LEAST_MEANING = 0.5  # cosine; below are all rewrites of other messages, and at most 5 % of the references

# What became of a draft. The checks are made in this order, and the judge is asked last.
Fate = Literal[
    "no_answer",  # the endpoint failed
    "cut",  # at the limit of tokens
    "broken",  # no text, a comment, a heading, something around it, an insult, a loop
    "another_language",
    "copied",  # where a change was requested
    "facts",  # lost or new
    "meaning",  # a request became a statement, a negation came or went, or it is about something else
    "judge_unreadable",
    "judge_undecided",  # neither is better, or the order decides
    "judge_against",
    "passed",
]
# By the judge's score.
_FATES: Mapping[float | None, Fate] = {
    None: "judge_unreadable",
    0.5: "judge_undecided",
    0.0: "judge_against",
    1.0: "passed",
}


class TeacherEndpoint(Endpoint):
    """The teacher, and the terms under which its rewrites may train models."""

    licence: Annotated[str, Field(min_length=1, description="as its vendor states it; for the cards")]


class DraftsConfig(StageConfig):
    """How a teacher is asked for drafts, and who judges them."""

    teacher: TeacherEndpoint
    judge: Endpoint
    own_judge: bool = Field(False, description="the judge may be the teacher's model; the card says so")
    drafts: Annotated[int, Field(ge=1, le=16, description="at most, of a request")] = 3
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    max_new_tokens: Annotated[int, Field(ge=16)] = 512
    pairs: bool = Field(False, description="write all drafts, and make preference pairs")
    labels_folder: Path = Field(corpus.SEED / "labels", description="readers' labels, see models.validity")
    seed: int = 0

    @model_validator(mode="after")
    def _has_another_judge(self) -> Self:
        if self.judge.model == self.teacher.model and not self.own_judge:
            raise ValueError(
                f"the judge is the teacher's model, {self.judge.model}, and models prefer what they wrote:"
                " name another one, or set own_judge to true"
            )
        return self


class Draft(NamedTuple):
    """A rewrite by the teacher, and what became of it."""

    text: str
    fate: Fate


class Drafter:
    """The teacher and the judge of a run: `chat` asks the teacher, `judging` the judge.

    `stopped` names the limit that was reached. `names` are those that the teacher's answers give its model.
    """

    def __init__(self, config: DraftsConfig, chat: Chat, judging: Chat, replies: Replies) -> None:
        self._config, self._replies = config, replies
        self._chat, self._judging = chat, judging
        self._checking = Lock()  # the encoder is loaded once
        self.stopped: str | None = None
        self.names: set[str] = set()

    def draft_all(self, requests: Sequence[Request]) -> list[tuple[Request, list[Draft]]]:
        """The drafts of all requests that no limit cut off, in their order.

        Raises EndpointDownError when an endpoint is away.
        """
        results: list[tuple[Request, list[Draft]]] = []
        passed = 0
        pool = ThreadPoolExecutor(self._config.teacher.concurrency)
        try:
            with tqdm(total=len(requests), desc=f"asking {self._config.teacher.model}") as bar:
                for request, drafts in zip(requests, pool.map(self._draft, requests), strict=True):
                    if drafts is not None:
                        results.append((request, drafts))
                        passed += any(draft.fate == "passed" for draft in drafts)
                    bar.set_postfix_str(f"passed={passed}, tokens={self._replies.tokens:,}", refresh=False)
                    bar.update()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, ask nothing more
        return results

    def measure_validity(self) -> Validity:
        """How well the judge ranks the labelled rewrites of the teacher. With too few it is asked nothing.

        Raises LimitReachedError at a limit, and EndpointDownError when the judge is away.
        """
        policy = name_policy(self._config)
        labels = labels_of(read_all(self._config.labels_folder), policy)
        scores = [0.5] * len(labels)
        if are_enough(labels):
            with ThreadPoolExecutor(self._config.judge.concurrency) as pool:
                shares = pool.map(
                    lambda row: self._score(row.text, row.transform_type, row.intensity, row.rewrite), labels
                )
                scores = [0.5 if share is None else share for share in shares]
        return validate(self._config.judge.model, f"{self._config.teacher.model} ({policy})", labels, scores)

    def _draft(self, request: Request) -> list[Draft] | None:
        """The drafts of a request, up to the first that passes, or all with `pairs`; None at a limit."""
        drafts: list[Draft] = []
        try:
            for number in range(self._config.drafts):
                draft = self._ask_teacher(request, number)
                if draft.fate == "passed":
                    draft = draft._replace(fate=_FATES[self._score(*request[:3], draft.text)])
                drafts.append(draft)
                if draft.fate == "passed" and not self._config.pairs:
                    break
        except LimitReachedError as error:
            self.stopped = str(error)
            return None
        return drafts

    def _ask_teacher(self, request: Request, number: int) -> Draft:
        """A draft of a request: the checks are made, and the judge is not asked yet."""
        answer = self._replies.ask(self._chat, make_question(self._config, request, number))
        if isinstance(answer, ChatError):
            return Draft("", "no_answer")
        self.names.add(answer.model)
        if not answer.finished:
            return Draft(answer.text, "cut")
        with self._checking:
            return Draft(answer.text, find_fault(request, answer.text) or "passed")

    def _score(self, message: str, kind: TransformType, intensity: int, rewrite: str) -> float | None:
        """The judge's preference for a rewrite over its message: 1, 0, or 0.5 when it is undecided; None
        when an answer is missing or unreadable.
        """
        pair = Pair(message, kind, intensity, rewrite, message)
        first, swapped = map(self._ask_judge, judge.make_questions(pair))
        return None if first is None or swapped is None else judge.combine(first, swapped).share

    def _ask_judge(self, question: Question) -> judge.Choice | None:
        answer = self._replies.ask(self._judging, question)
        return None if isinstance(answer, ChatError) else judge.read_choice(answer.text)


def make_question(config: DraftsConfig, request: Request, number: int = 0) -> Question:
    """What the teacher is asked for a draft; `number` tells the drafts of a request apart."""
    turns = prompts.turns(_PROMPT, *request[:3])
    return Question(*turns, config.max_new_tokens, config.temperature, config.seed + number)


def digest_prompt() -> str:
    """A digest of everything that the prompt can say."""
    turns = [
        prompts.turns(_PROMPT, message, kind, intensity)
        for message in ("MESSAGE", "メッセージです")  # the examples are in the message's language
        for kind in KINDS
        for intensity in INTENSITIES
    ]
    return f"{_PROMPT} {blake2b(json.dumps(turns).encode(), digest_size=8).hexdigest()}"


def name_policy(config: DraftsConfig) -> str:
    """The name of the teacher in readers' labels: a digest of the model, its address, and how it is asked.

    Another seed gives other drafts of the same teacher, so the seed is not in it.
    """
    teacher = config.teacher
    decisive = [
        *(teacher.base_url, teacher.model, teacher.extra),
        *(digest_prompt(), config.temperature, config.max_new_tokens),
    ]
    return blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()


def find_fault(request: Request, draft: str) -> Fate | None:
    """Why a complete draft is dropped before the judge sees it, or None when it passes the checks."""
    text, kind, intensity = request[:3]
    faults = {fault.kind for fault in fidelity.check(text, draft, kind, intensity)}
    if (
        "broken" in faults
        or any(is_bad(text, draft) for is_bad in (_is_wrapped, scoring.chatter, scoring.insult))
        or prompts.quotes_prompt(text, draft, kind)
    ):
        return "broken"
    if languages.identify(draft) != languages.identify(text):
        return "another_language"
    if "copied" in faults or scoring.copied(text, draft, kind, intensity):
        return "copied"
    if "facts" in faults or facts.missing(text, draft, request.facts) or _list_new_facts(text, draft):
        return "facts"
    if not faults.isdisjoint(("request", "reversal")):
        return "meaning"
    [cosine] = scoring.meaning([text], [draft])
    return "meaning" if cosine < _LEAST_MEANING else None


# What a chat model puts around a rewrite: quotation marks, a heading, tags, a fence.
_WRAPPING = re.compile(
    r"\A\s*(?:[\"“「『`]|(?:rewrit\w*|rewritten message|revised|draft|書き換え\w*|修正\w*)\s*[:：]"
    r"|(?:以下|こちら)(?:は|が|に)[^\n]{0,20}(?:書き換え|修正))|</?(?:message|rewrite_[12])>|```",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"^[ \t]*\d+[.)](?=\s)", re.MULTILINE)


def _is_wrapped(text: str, draft: str) -> bool:
    """Whether a draft has something around the rewrite that its message does not have."""
    return any(match.group().strip() not in text for match in _WRAPPING.finditer(draft))


def _list_new_facts(text: str, draft: str) -> list[str]:
    """Numbers, dates, links and other facts of a draft that its message does not have.

    Names are left to `models.fidelity`: an explanation in brackets may have capitals.
    """
    extracted = facts.extract(_LIST_NUMBER.sub("", draft))
    return facts.lost([fact for kind, fact in extracted if kind != "name"], text)
