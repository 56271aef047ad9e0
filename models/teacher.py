"""Demonstrations by a teacher: a language model at an endpoint rewrites messages, and what passes is kept.

    python -m models.teacher configs/teacher.yaml
    python -m models.teacher configs/teacher.yaml snapshots=[DATA/snapshots/3f..] out=DATA/snapshots

The messages are those of the seed corpus, and those of people who consent to training, redacted, from
snapshots; never those that are held out. The teacher drafts each requested rewrite until one passes: it is
complete, keeps the facts and adds none, still asks what the message asks, and the judge, another model,
prefers it to the message in both orders. What passes is a snapshot of its own (`data.snapshots.teachers`), to
be named in `teachers` of models.sft.

With `pairs`, all drafts are judged. One that beats the message and one that loses to it make a preference
pair, for `teachers` of models.dpo. That takes a valid judge: readers have labelled rewrites of this teacher,
and the judge agrees with them (`models.validity`, `models.reading`).

A killed run that is started again asks nothing that was answered before.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from random import Random
from threading import Lock
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import corpus, database
from data.records import Demonstration, PreferencePair, Prompt, TransformType
from data.snapshots import shards, snapshot
from data.snapshots.teachers import ANSWERS, PREFIX, Teacher
from models import facts, fidelity, judge, languages, prompts, scoring
from models.chat import Chat, ChatError, Endpoint, Question, neutralise
from models.judge import Pair
from models.labels import read_labels
from models.replies import EndpointDownError, LimitReachedError, Replies
from models.validity import InvalidJudgeError, Validity, are_enough, labels_of, validate

# The parts of the seed corpus that are for tests, with the class of their lines.
_HELD_OUT: Mapping[str, type[corpus.Message]] = {
    "test": corpus.Original,
    "ordinary/dev": corpus.Original,
    "ordinary/test": corpus.Original,
    "ordinary/fresh": corpus.Original,
    "ordinary/sealed": corpus.Message,
}
PROMPT: Prompt = "frame-2"
_LEAST_MEANING = 0.5  # cosine; below are all rewrites of other messages, and at most 5 % of the references
_KINDS: tuple[TransformType, ...] = tuple(TransformType)
_INTENSITIES = (1, 2, 3)  # at 0 the message may stay as it is

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


class TeacherConfig(configs.StageConfig):
    """The settings of a teacher's run. The limits count earlier runs in the same `out`, too."""

    teacher: TeacherEndpoint
    judge: Endpoint
    own_judge: bool = Field(False, description="the judge may be the teacher's model; the card says so")
    seed_folders: tuple[Path, ...] = (corpus.SEED / "train", corpus.SEED / "edits")
    requests_a_message: Annotated[int, Field(ge=1, le=21, description="of each message of the seed")] = 1
    snapshots: tuple[Path, ...] = Field((), description="of people's feedback; their messages are sent")
    out: Path = Field(Path("artifacts/snapshots"), description="the folder of the snapshots")
    drafts: Annotated[int, Field(ge=1, le=16, description="at most, of a request")] = 3
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    max_new_tokens: Annotated[int, Field(ge=16)] = 512
    pairs: bool = Field(False, description="judge all drafts, and make preference pairs")
    labels_folder: Path = Field(corpus.SEED / "labels", description="readers' labels, see models.validity")
    most_questions: Annotated[int, Field(ge=1, description="to teacher and judge, without retries")] = 10_000
    most_tokens: Annotated[int, Field(ge=1, description="read and written by both")] = 10_000_000
    seed: int = 0

    @model_validator(mode="after")
    def _has_another_judge(self) -> Self:
        if self.judge.model == self.teacher.model and not self.own_judge:
            raise ValueError(
                f"the judge is the teacher's model, {self.judge.model}, and models prefer what they wrote:"
                " name another one, or set own_judge to true"
            )
        return self

    @model_validator(mode="after")
    def _writes_beside_the_snapshots(self) -> Self:
        for folder in self.snapshots:
            if folder.resolve().parent != self.out.resolve():
                raise ValueError(
                    f"out is {self.out}, and not the folder of {folder}: an erasure finds what is made of"
                    " people's messages beside their snapshot only"
                )
        return self


class TeacherResult(BaseModel):
    """What a run made. `snapshot` is None when no draft passed. `drafts` counts drafts by their fate.

    `not_finished` is the number of requests that a limit cut off, and `stopped` names the limit. `validity`
    is the judge's, when there are pairs. `questions` and `tokens` include earlier runs in the same `out`.
    """

    model_config = ConfigDict(frozen=True)

    snapshot: Path | None
    requests: int
    demonstrations: int
    pairs: int
    drafts: dict[str, int]
    questions: int
    questions_of_this_run: int
    tokens: int
    not_finished: int
    stopped: str | None
    validity: Validity | None


class Request(NamedTuple):
    """A message and the requested rewrite. `facts` must survive, and `votes` brought the message here."""

    text: str
    transform_type: TransformType
    intensity: int
    facts: tuple[str, ...] = ()
    votes: frozenset[UUID] = frozenset()


class Draft(NamedTuple):
    """A rewrite by the teacher, and what became of it."""

    text: str
    fate: Fate


def list_requests(config: TeacherConfig) -> list[Request]:
    """The requests of the seed's training messages, drawn by a hash, and those that people made."""
    rows = [
        (row, votes)
        for folder in config.snapshots
        for kind in shards.KINDS.values()
        for row, votes in shards.read_with_votes(folder, kind)
    ]
    of_people = (
        Request(row.text, row.transform_type, row.intensity, (), votes)
        for row, votes in rows
        if row.intensity
    )
    held_out = {
        _fold(message.text)
        for part, kind in _HELD_OUT.items()
        for message in corpus.read_lines(corpus.SEED / part, kind)
    }
    held_out |= {_fold(row.text) for row, _ in rows if row.split == "validation"}
    requests: dict[tuple[str, TransformType, int], Request] = {}
    for request in (*_list_seed_requests(config), *of_people):
        known = requests.setdefault(request[:3], request)
        requests[request[:3]] = known._replace(votes=known.votes | request.votes)
    return [request for request in requests.values() if _fold(request.text) not in held_out]


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _list_seed_requests(config: TeacherConfig) -> Iterator[Request]:
    tasks = [(kind, intensity) for kind in _KINDS for intensity in _INTENSITIES]
    for folder in config.seed_folders:
        for original in corpus.read(folder):
            if not corpus.is_held_out(original.id):
                drawn = Random(f"{config.seed} {original.id}").sample(tasks, config.requests_a_message)
                for kind, intensity in drawn:
                    yield Request(original.text, kind, intensity, original.facts)


class Checker:
    """The checks of drafts that need no judge. It may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()  # the encoder is loaded once

    def find_fault(self, request: Request, draft: str) -> Fate | None:
        """Why a complete draft is dropped, or None when it passes."""
        text, kind, intensity = request[:3]
        faults = {fault.kind for fault in fidelity.check(text, draft, kind, intensity)}
        if "broken" in faults or any(
            is_bad(text, draft) for is_bad in (_is_wrapped, scoring.chatter, scoring.insult)
        ):
            return "broken"
        if prompts.quotes_prompt(text, draft, kind):
            return "broken"
        if languages.identify(draft) != languages.identify(text):
            return "another_language"
        if "copied" in faults or scoring.copied(text, draft, kind, intensity):
            return "copied"
        if "facts" in faults or facts.missing(text, draft, request.facts) or list_new_facts(text, draft):
            return "facts"
        if not faults.isdisjoint(("request", "reversal")):
            return "meaning"
        with self._lock:
            cosine = scoring.meaning([text], [draft])[0]
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


def list_new_facts(text: str, draft: str) -> list[str]:
    """Numbers, dates, links and other facts of a draft that its message does not have.

    Names are left to `models.fidelity`: an explanation in brackets may have capitals.
    """
    found = facts.extract(_LIST_NUMBER.sub("", draft))
    return facts.lost([fact for kind, fact in found if kind != "name"], text)


class _Stage:
    """Teacher, judge and answers of a run."""

    def __init__(self, config: TeacherConfig, chat: Chat, judging: Chat, replies: Replies) -> None:
        self.config, self.replies = config, replies
        self._chat, self._judging = chat, judging
        self._checker = Checker()
        self.stopped: str | None = None  # the limit that was reached
        self.names: set[str] = set()  # that the endpoint gives the teacher in its answers

    def draft(self, request: Request, number: int) -> Draft:
        """A draft of a request: the checks are made, and the judge is not asked yet."""
        answer = self.replies.ask(self._chat, make_question(self.config, request, number))
        if isinstance(answer, ChatError):
            return Draft("", "no_answer")
        self.names.add(answer.model)
        if not answer.finished:
            return Draft(answer.text, "cut")
        return Draft(answer.text, self._checker.find_fault(request, answer.text) or "passed")

    def score(self, message: str, kind: TransformType, intensity: int, rewrite: str) -> float | None:
        """The judge's preference for a rewrite over its message: 1, 0, or 0.5 when it is undecided; None
        when an answer is missing or unreadable.
        """
        pair = Pair(message, kind, intensity, rewrite, message)
        first, swapped = map(self._ask_judge, judge.make_questions(pair))
        return None if first is None or swapped is None else judge.combine(first, swapped).share

    def _ask_judge(self, question: Question) -> judge.Choice | None:
        answer = self.replies.ask(self._judging, question)
        return None if isinstance(answer, ChatError) else judge.read_choice(answer.text)

    def teach(self, request: Request) -> list[Draft] | None:
        """The drafts of a request, up to the first that passes, or all with `pairs`; None at a limit."""
        drafts: list[Draft] = []
        try:
            for number in range(self.config.drafts):
                draft = self.draft(request, number)
                if draft.fate == "passed":
                    draft = draft._replace(fate=_FATES[self.score(*request[:3], draft.text)])
                drafts.append(draft)
                if draft.fate == "passed" and not self.config.pairs:
                    break
        except LimitReachedError as error:
            self.stopped = str(error)
            return None
        return drafts


def make_question(config: TeacherConfig, request: Request, number: int = 0) -> Question:
    """What the teacher is asked for a draft; `number` tells the drafts of a request apart."""
    text, kind, intensity = request[:3]
    system, user = prompts.turns(PROMPT, neutralise(text), kind, intensity)
    return Question(system, user, config.max_new_tokens, config.temperature, config.seed + number)


def digest_prompt() -> str:
    """A digest of everything that the prompt can say."""
    turns = [
        prompts.turns(PROMPT, message, kind, intensity)
        for message in ("MESSAGE", "メッセージです")  # the examples are in the message's language
        for kind in _KINDS
        for intensity in _INTENSITIES
    ]
    return f"{PROMPT} {blake2b(json.dumps(turns).encode(), digest_size=8).hexdigest()}"


def name_policy(config: TeacherConfig) -> str:
    """The name of the teacher in readers' labels: a digest of all that its first drafts depend on."""
    teacher = config.teacher
    decisive = [
        *(teacher.base_url, teacher.model, teacher.extra),
        *(digest_prompt(), config.temperature, config.max_new_tokens),
    ]
    return blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()


def _measure_validity(stage: _Stage) -> Validity:
    """How well the judge ranks the labelled rewrites of the teacher. It is asked only about enough labels."""
    config = stage.config
    labels = labels_of(read_labels(config.labels_folder), name_policy(config))
    scores = [0.5] * len(labels)
    if are_enough(labels):
        with ThreadPoolExecutor(config.judge.concurrency) as pool:
            shares = pool.map(
                lambda row: stage.score(row.text, row.transform_type, row.intensity, row.rewrite), labels
            )
            scores = [0.5 if share is None else share for share in shares]
    return validate(config.judge.model, f"{config.teacher.model} ({name_policy(config)})", labels, scores)


def main(config: TeacherConfig, lock: AbstractContextManager[Any] | None = None) -> TeacherResult:
    """Ask, judge, and write the snapshot of what passed into `config.out`.

    `lock` is held while people's messages are written: the lock `snapshot` of the database, where snapshots
    are read. Raises InvalidJudgeError when pairs are requested and the judge is no valid judge of the
    teacher, EndpointDownError when an endpoint is away, ChatError without its key, LimitReachedError while
    the judge is measured, and ValueError when there is no message, when a snapshot was erased meanwhile, or
    when another run uses the folder.
    """
    requests = list_requests(config)
    if not requests:
        raise ValueError("there is no message to rewrite: name seed folders or snapshots")
    with ExitStack() as stack:
        replies = stack.enter_context(_open_replies(config))
        chat = stack.enter_context(closing(Chat(config.teacher)))
        judging = stack.enter_context(closing(Chat(config.judge)))
        stage = _Stage(config, chat, judging, replies)
        validity = _measure_validity(stage) if config.pairs else None
        if validity is not None:
            validity.require()
        results = _teach_all(stage, requests)
        fates = Counter(draft.fate for _, drafts in results for draft in drafts)
        rows = [row for request, drafts in results for row in _make_rows(config, request, drafts)]
        counts = Counter(type(row) for row, _ in rows)
        with lock or nullcontext():
            _refuse_erased(config.snapshots)
            _write_dropped(config.out / ANSWERS / "dropped.jsonl", results)
            teacher = _describe(config, stage.names, len(results), fates)
            written = _write(config, rows, teacher) if rows else None
        return TeacherResult(
            snapshot=written,
            requests=len(requests),
            demonstrations=counts[Demonstration],
            pairs=counts[PreferencePair],
            drafts={fate: fates[fate] for fate in get_args(Fate) if fates[fate]},
            questions=replies.questions,
            questions_of_this_run=replies.asked,
            tokens=replies.tokens,
            not_finished=len(requests) - len(results),
            stopped=stage.stopped,
            validity=validity,
        )


def _open_replies(config: TeacherConfig) -> Replies:
    file = config.out / ANSWERS / "replies.jsonl"
    return Replies(file, config.most_questions, config.most_tokens)


def write_first_drafts(config: TeacherConfig, requests: Sequence[Request]) -> list[str]:
    """The teacher's first draft of each request, unchecked, for readers (`models.reading`).

    Raises ValueError when a request has no answer, and LimitReachedError at a limit.
    """
    with (
        _open_replies(config) as replies,
        closing(Chat(config.teacher)) as chat,
        ThreadPoolExecutor(config.teacher.concurrency) as pool,
    ):
        answers = pool.map(lambda request: replies.ask(chat, make_question(config, request)), requests)
        drafts = []
        for answer in tqdm(answers, total=len(requests), desc=f"asking {config.teacher.model}"):
            if isinstance(answer, ChatError):
                raise ValueError(f"{answer}; start again, and only what is missing is asked")
            drafts.append(answer.text)
        return drafts


def _teach_all(stage: _Stage, requests: Sequence[Request]) -> list[tuple[Request, list[Draft]]]:
    """The drafts of all requests that no limit cut off, in their order."""
    results: list[tuple[Request, list[Draft]]] = []
    passed = 0
    pool = ThreadPoolExecutor(stage.config.teacher.concurrency)
    try:
        with tqdm(total=len(requests), desc=f"asking {stage.config.teacher.model}") as bar:
            for request, drafts in zip(requests, pool.map(stage.teach, requests), strict=True):
                if drafts is not None:
                    results.append((request, drafts))
                    passed += any(draft.fate == "passed" for draft in drafts)
                bar.set_postfix_str(f"passed={passed}, tokens={stage.replies.tokens:,}", refresh=False)
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, ask nothing more
    return results


def _make_rows(
    config: TeacherConfig, request: Request, drafts: Sequence[Draft]
) -> Iterator[tuple[Demonstration | PreferencePair, tuple[UUID, ...]]]:
    """The demonstration and the pair of a request, if its drafts make them, with the votes behind it."""
    task = {"text": request.text, "transform_type": request.transform_type, "intensity": request.intensity}
    best = next((draft.text for draft in drafts if draft.fate == "passed"), None)
    worst = next((draft.text for draft in drafts if draft.fate == "judge_against"), None)
    votes = tuple(request.votes)
    if best is not None:
        yield Demonstration.model_validate({**task, "rewrite": best}), votes
    if config.pairs and best is not None and worst is not None:
        version = f"{PREFIX}{config.teacher.model}"
        versions = {"chosen_version": version, "rejected_version": version}
        yield PreferencePair.model_validate({**task, "chosen": best, "rejected": worst, **versions}), votes


def _refuse_erased(snapshots: Sequence[Path]) -> None:
    """Raise ValueError when an erasure has removed one of the snapshots."""
    for folder in snapshots:
        if not shards.is_snapshot(folder):
            raise ValueError(
                f"{folder} is gone: a person in it was erased while the teacher wrote. Start again with the"
                " snapshot that took its place"
            )


def _write_dropped(file: Path, results: Sequence[tuple[Request, Sequence[Draft]]]) -> None:
    """Write the drafts that did not pass, to be looked at."""
    file.parent.mkdir(parents=True, exist_ok=True)  # an erasure of somebody else may have removed it
    rows = (
        {**dict(zip(("text", "transform_type", "intensity"), request[:3], strict=True)), **draft._asdict()}
        for request, drafts in results
        for draft in drafts
        if draft.fate != "passed"
    )
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _describe(
    config: TeacherConfig, names: Iterable[str], requests: int, fates: Mapping[Fate, int]
) -> Teacher:
    return Teacher(
        model=config.teacher.model,
        answers_as=tuple(sorted(names)),
        host=_name_host(config.teacher),
        prompt=digest_prompt(),
        temperature=config.temperature,
        licence=config.teacher.licence,
        judge=config.judge.model,
        judge_host=_name_host(config.judge),
        is_own_judge=config.judge.model == config.teacher.model,
        seed=tuple(folder.name for folder in config.seed_folders),
        snapshots=tuple(folder.name for folder in config.snapshots),
        requests=requests,
        drafts={fate: fates[fate] for fate in fates},
        made_on=datetime.now(UTC).date(),
    )


def _name_host(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.base_url).netloc


def _write(
    config: TeacherConfig,
    rows: Sequence[tuple[Demonstration | PreferencePair, tuple[UUID, ...]]],
    teacher: Teacher,
) -> Path:
    """Write the snapshot, with the people behind its rows; its folder."""
    used = {vote for _, votes in rows for vote in votes}
    sources = {
        source.feedback: source
        for folder in config.snapshots
        for source in shards.read_sources(folder)
        if source.feedback in used
    }
    return snapshot.write_of_teacher(config.out, rows, sources.values(), teacher).folder


def _report(result: TeacherResult) -> str:
    fates = ", ".join(f"{fate} {count}" for fate, count in result.drafts.items())
    lines = [
        f"{result.demonstrations} demonstrations and {result.pairs} pairs of {result.requests} requests;"
        f" {result.questions_of_this_run} questions in this run, {result.questions} and {result.tokens:,}"
        " tokens in all",
        f"drafts: {fates or 'none'}",
        f"wrote {result.snapshot}" if result.snapshot else "no draft passed, so no snapshot was written",
    ]
    if result.stopped:
        lines.append(f"{result.not_finished} requests are not finished: {result.stopped}")
    return "\n".join(lines)


def make_lock(config: TeacherConfig) -> AbstractContextManager[Any] | None:
    """The lock for `main`, by the environment; None for a run on the seed corpus alone.

    Raises SystemExit when people's messages are read without a database.
    """
    if not config.snapshots:
        return None
    url = Settings().database_url
    if url is None:
        raise SystemExit(
            "set TONEBRIDGE_DATABASE_URL as the flows have it: an erasure must not miss a snapshot that is"
            " being written"
        )
    return database.lock(url, "snapshot")


if __name__ == "__main__":
    config = configs.from_command_line(TeacherConfig, sys.argv[1:])
    try:
        print(_report(main(config, make_lock(config))))
    except (ChatError, EndpointDownError, LimitReachedError, InvalidJudgeError) as error:
        raise SystemExit(str(error)) from error
