"""Demonstrations by a teacher: a language model at an endpoint rewrites messages, and what passes is kept.

    python -m models.teacher configs/teacher.yaml
    python -m models.teacher configs/teacher.yaml snapshots=[DATA/snapshots/3f..] out=DATA/snapshots

The messages are those of the seed corpus, and those of people who consent to training, redacted, from
snapshots; never those that are held out (`models.teacher_requests`). The teacher drafts each requested
rewrite until one passes: it is complete, keeps the facts and adds none, still asks what the message asks, and
the judge, another model, prefers it to the message in both orders (`models.drafts`). What passes is a
snapshot of its own (`data.snapshots.teachers`), to be named in `teachers` of models.sft.

The judge must be valid: readers have labelled rewrites of this teacher, and the judge agrees with them
(`models.validity`, `models.reading`). The checks alone select nothing, since most wrong rewrites pass them
(docs/training.md).

With `pairs`, all drafts are written, and those that pass the checks are judged. One that beats the message
and one that loses to it make a preference pair, for `teachers` of models.dpo.

A killed run that is started again asks nothing that was answered before.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self, get_args
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import database
from data.records import Demonstration, PreferencePair
from data.snapshots import shards, snapshot
from data.snapshots.teachers import ANSWERS, PREFIX, Teacher
from models.chat import Chat
from models.drafts import Draft, Drafter, DraftsConfig, Fate, digest_prompt, make_question
from models.endpoint import ChatError, Endpoint
from models.replies import EndpointDownError, LimitReachedError, Replies
from models.teacher_requests import TRAINING, Request, list_requests
from models.validity import InvalidJudgeError, Validity

Row = Demonstration | PreferencePair
Votes = tuple[UUID, ...]  # through which a row's message came


class TeacherConfig(DraftsConfig):
    """The settings of a teacher's run. The limits count earlier runs in the same `out`, too."""

    seed_folders: tuple[Path, ...] = TRAINING
    requests_a_message: Annotated[int, Field(ge=1, le=21, description="of each message of the seed")] = 1
    snapshots: tuple[Path, ...] = Field((), description="of people's feedback; their messages are sent")
    out: Path = Field(Path("artifacts/snapshots"), description="the folder of the snapshots")
    most_questions: Annotated[int, Field(ge=1, description="to teacher and judge, without retries")] = 10_000
    most_tokens: Annotated[int, Field(ge=1, description="read and written by both")] = 10_000_000

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
    is the judge's. `questions` and `tokens` include earlier runs in the same `out`.
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
    validity: Validity


def main(config: TeacherConfig, lock: AbstractContextManager[Any] | None = None) -> TeacherResult:
    """Ask, judge, and write the snapshot of what passed into `config.out`.

    `lock` is held while people's messages are written: the lock `snapshot` of the database, where snapshots
    are read. Raises InvalidJudgeError before the teacher is asked when the judge is no valid judge of it,
    EndpointDownError when an endpoint is away, ChatError without its key, LimitReachedError while the judge
    is measured, and ValueError when there is no message, when a snapshot was erased meanwhile, or when
    another run uses the folder.
    """
    requests = list_requests(config.seed_folders, config.requests_a_message, config.snapshots, config.seed)
    if not requests:
        raise ValueError("there is no message to rewrite: name seed folders or snapshots")
    with (
        _open_replies(config) as replies,
        closing(Chat(config.teacher)) as chat,
        closing(Chat(config.judge)) as judging,
    ):
        drafter = Drafter(config, chat, judging, replies)
        validity = drafter.measure_validity()
        validity.require()
        results = drafter.draft_all(requests)
        fates = Counter(draft.fate for _, drafts in results for draft in drafts)
        rows = [row for request, drafts in results for row in _make_rows(config, request, drafts)]
        counts = Counter(type(row) for row, _ in rows)
        with lock or nullcontext():
            _refuse_erased(config.snapshots)
            _write_dropped(config.out / ANSWERS / "dropped.jsonl", results)
            teacher = _describe(config, drafter.names, len(results), fates)
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
            stopped=drafter.stopped,
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


def _make_rows(
    config: TeacherConfig, request: Request, drafts: Sequence[Draft]
) -> Iterator[tuple[Row, Votes]]:
    """The demonstration and the pair of a request, if its drafts make them, with the votes behind it."""
    task = _task_of(request)
    best = next((draft.text for draft in drafts if draft.fate == "passed"), None)
    worst = next((draft.text for draft in drafts if draft.fate == "judge_against"), None)
    votes = tuple(request.votes)
    if best is not None:
        yield Demonstration.model_validate({**task, "rewrite": best}), votes
    if config.pairs and best is not None and worst is not None:
        version = f"{PREFIX}{config.teacher.model}"
        versions = {"chosen_version": version, "rejected_version": version}
        yield PreferencePair.model_validate({**task, "chosen": best, "rejected": worst, **versions}), votes


def _task_of(request: Request) -> dict[str, Any]:
    return {"text": request.text, "transform_type": request.transform_type, "intensity": request.intensity}


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
        _task_of(request) | {"draft": draft.text, "fate": draft.fate}
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
        drafts=dict(fates),
        made_on=datetime.now(UTC).date(),
    )


def _name_host(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.base_url).netloc


def _write(config: TeacherConfig, rows: Sequence[tuple[Row, Votes]], teacher: Teacher) -> Path:
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
