"""The seed corpus: messages with rewrites, read from jsonl with every fault named by file and line."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from data.records import Intensity, TransformType

SEED = Path(__file__).parent / "seed"

Text = Annotated[str, StringConstraints(min_length=1, max_length=8000, strip_whitespace=True)]
Style = Literal["blunt", "vague", "rambling", "jargon", "polite"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rewrite(_Row):
    """One way to say the original: a demonstration for its transform type and intensity."""

    transform_type: TransformType
    intensity: Intensity
    text: Text


class Message(_Row):
    """A message as written, and what must survive in it."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z_]+-\d{3}$")]
    domain: str
    style: Style
    text: Text
    facts: tuple[str, ...]


class Original(Message):
    """A message with its rewrites."""

    rewrites: Annotated[tuple[Rewrite, ...], Field(min_length=1)]


M = TypeVar("M", bound=Message)


class CorpusError(ValueError):
    """A seed file has a line that cannot be used; the message names file, line and fault."""


def read(folder: Path) -> list[Original]:
    """All originals of a folder's jsonl files, in file order; see `read_messages`."""
    return read_messages(folder, Original)


def read_messages(folder: Path, kind: type[M]) -> list[M]:
    """All messages of a folder's jsonl files, in file order.

    Raises CorpusError at the first line that is no JSON, has a wrong or unknown field, or repeats an id.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise CorpusError(f"{folder}: no .jsonl files; expected one a domain")
    messages: list[M] = []
    seen: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            place = f"{file}:{number}"
            try:
                message = kind.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "line"
                raise CorpusError(f"{place}: {where}: {first['msg']}") from error
            if message.id in seen:
                raise CorpusError(f"{place}: id {message.id} was used before, at {seen[message.id]}")
            seen[message.id] = place
            messages.append(message)
    return messages


def ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """The word n-grams of a text, case folded."""
    words = text.casefold().split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def most_common_ngram(texts: Iterable[str], size: int = 8) -> tuple[str, float]:
    """The n-gram that stands in most texts, and the share of texts that have it."""
    listed = list(texts)
    counts = Counter(gram for text in listed for gram in ngrams(text, size))
    if not counts:
        return "", 0.0
    gram, count = counts.most_common(1)[0]
    return " ".join(gram), count / len(listed)
