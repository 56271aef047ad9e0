"""Answers of language models in a file, so that a stage that was killed does not ask for them again."""

import fcntl
import json
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from models.chat import Chat
from models.endpoint import Answer, BudgetSpentError, ChatError, Question

_MOST_FAILURES = 20  # in a row; then the endpoint is away, and asking on would only fail


class LimitReachedError(Exception):
    """A limit of questions or tokens is reached; the message names it. Nothing was sent."""


class EndpointDownError(Exception):
    """An endpoint failed many times in a row; the message has the last error."""


class Replies:
    """The answers so far, by question. `ask` appends to the file and may be called from any thread.

    `questions` and `tokens` count those of earlier runs, too, but no failed question of an earlier run.
    `asked` counts the questions of this run.
    """

    def __init__(self, file: Path, most_questions: int, most_tokens: int) -> None:
        """Open the file, or create it. Raises ValueError while another process has it open."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(f"{file} is in use: wait for the other run, or choose another `out`") from error
        self._limits = most_questions, most_tokens
        self._lock = Lock()
        self._failures: dict[str, int] = {}  # in a row, by endpoint
        self._answers = self._read()
        self.questions = len(self._answers)
        self.tokens = sum(answer.input_tokens + answer.output_tokens for answer in self._answers.values())
        self.asked = 0

    def _read(self) -> dict[str, Answer]:
        self._file.seek(0)
        answers, end = {}, 0
        for line in self._file:
            if not line.endswith(b"\n"):  # a killed run wrote a part of it
                self._file.truncate(end)
                break
            key, *answer = json.loads(line)
            answers[key] = Answer(*answer)
            end += len(line)
        return answers

    def ask(self, chat: Chat, question: Question) -> Answer | ChatError:
        """The answer to a question, from the file or from the endpoint; an error is not stored.

        Raises LimitReachedError before a question beyond a limit, and EndpointDownError when the endpoint
        has failed too often.
        """
        key = _name(chat, question)
        with self._lock:
            if key in self._answers:
                return self._answers[key]
            self._refuse_beyond_limits()
            self.questions += 1
            self.asked += 1
        answer = chat.ask([question])[0]
        with self._lock:
            if isinstance(answer, ChatError):
                self._count_failure(chat, answer)
                return answer
            self._failures.pop(_name_endpoint(chat), None)
            self.tokens += answer.input_tokens + answer.output_tokens
            self._answers[key] = answer
            # One line in one write, so that a kill leaves at most its last line unfinished.
            self._file.write(json.dumps([key, *answer]).encode() + b"\n")
            self._file.flush()
        return answer

    def _refuse_beyond_limits(self) -> None:
        for name, count, most in zip(
            ("most_questions", "most_tokens"), (self.questions, self.tokens), self._limits, strict=True
        ):
            if count >= most:
                raise LimitReachedError(f"{name}={most:,} is reached")

    def _count_failure(self, chat: Chat, error: ChatError) -> None:
        if isinstance(error, BudgetSpentError):
            raise LimitReachedError(str(error)) from error
        name = _name_endpoint(chat)
        self._failures[name] = self._failures.get(name, 0) + 1
        if self._failures[name] >= _MOST_FAILURES:
            raise EndpointDownError(
                f"{_MOST_FAILURES} questions in a row had no answer, the last: {error}. What was answered is"
                " kept: start again to go on"
            ) from error

    def close(self) -> None:
        """Close the file, for another process to open."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _name_endpoint(chat: Chat) -> str:
    return f"{chat.endpoint.model} {chat.endpoint.base_url}"


def _name(chat: Chat, question: Question) -> str:
    """A question's name: a digest of all that decides its answer."""
    decisive = [_name_endpoint(chat), chat.endpoint.extra, *question]
    return blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()
