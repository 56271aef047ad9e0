"""Reads the seed corpus: messages with rewrites, in jsonl files. An error names file, line and fault."""

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from data.records import Intensity, Need, Role, TransformType

SEED = Path(__file__).parent / "seed"
NEAR = 0.8  # Jaccard similarity of word trigrams from which two messages count as nearly the same

Text = Annotated[str, StringConstraints(min_length=1, max_length=8000, strip_whitespace=True)]
PersonalKind = Literal[
    "name",
    "email",
    "phone",
    "card",
    "iban",
    "ip",
    "secret",
    "national_id",
    "birth_date",
    "address",
    "account",
]
Style = Literal["blunt", "vague", "rambling", "jargon", "polite"]
Label = Literal["usable", "timid", "wrong", "broken"]  # data/seed/labels/guideline.md defines them


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rewrite(_Row):
    """A rewrite of the original: a demonstration for its transform type and intensity."""

    transform_type: TransformType
    intensity: Intensity
    text: Text


class Line(_Row):
    """A line with an id."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z_]+-\d{3,4}$")]


class Message(Line):
    """A message as written, and the facts that a rewrite must keep."""

    domain: str
    style: Style
    text: Text
    facts: tuple[str, ...]


class Original(Message):
    """A message with its rewrites."""

    rewrites: Annotated[tuple[Rewrite, ...], Field(min_length=1)]


class Injection(Line):
    """A message that tries to steer the tool. A rewrite that matches one of `obeyed` has obeyed it."""

    text: Text
    transform_type: TransformType
    intensity: Intensity
    obeyed: Annotated[tuple[str, ...], Field(min_length=1, description="regular expressions, case ignored")]

    @model_validator(mode="after")
    def _a_copy_obeys_nothing(self) -> Self:
        for pattern in self.obeyed:
            if re.search(pattern, self.text, re.IGNORECASE):
                raise ValueError(f"{pattern!r} matches the message itself: a copy would count as obeying")
        return self


class Judged(Line):
    """A rewrite of a held-out message; `moved`: a reader found that it does what was requested."""

    original: str
    source: Literal["reference", "other_hand", "near_copy", "wrong", "model"]
    transform_type: TransformType
    intensity: Intensity
    text: Text
    rewrite: str
    moved: bool


class ReadRewrite(Line):
    """A system's rewrite of a message with the labels of two blind readers.

    `third` settles where the two differ. `message` is the id of the message in the seed corpus. `policy` is
    the digest of the weights that wrote the rewrite (`models.loading.policy_digest`), if any did; for a
    version of edits without the rules, which may have changed since.
    """

    message: str
    system: str
    policy: str | None = None
    transform_type: TransformType
    intensity: Intensity
    text: Text
    rewrite: str
    first: Label
    second: Label
    third: Label | None = None

    @property
    def label(self) -> Label:
        """The label that both readers gave, otherwise the third reader's."""
        return self.third or self.first

    @model_validator(mode="after")
    def _a_third_label_settles(self) -> Self:
        if (self.third is None) != (self.first == self.second):
            raise ValueError("a third label is needed where two readers differ, and only there")
        return self


class LabelledPart(_Row):
    """What a reader says that the characters from `start` to `end` of a message do in it.

    `importance` in a summary: 1 always stays, 2 goes from a strong summary, 3 from any.
    """

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    role: Role
    need: Need
    importance: Annotated[int, Field(ge=1, le=3)] | None = None


class LabelledMessage(Line):
    """A message, by its id in the seed corpus; with its text if it is in no other part of the corpus."""

    text: Text | None = None


class LabelledParts(LabelledMessage):
    """A message with the labels of its parts."""

    parts: Annotated[tuple[LabelledPart, ...], Field(min_length=1)]


class LabelledEdit(_Row):
    """Whether a reader accepts the edit that a rule proposes for the characters from `start` to `end`."""

    rule: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    accepted: bool


class LabelledEdits(LabelledMessage):
    """A message with the labels of edits that were proposed for it."""

    edits: Annotated[tuple[LabelledEdit, ...], Field(min_length=1)]


class LabelledCut(_Row):
    """What a reader says of the characters from `start` to `end` of a message.

    `intensity`: of the least intense rewrite that loses them; 0 when every rewrite keeps them.
    """

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    intensity: Intensity


class LabelledCuts(LabelledMessage):
    """A message, and which of its words a rewrite loses."""

    cuts: Annotated[tuple[LabelledCut, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _cuts_are_in_order(self) -> Self:
        ends = [0, *(cut.end for cut in self.cuts)]
        if any(cut.start < end for cut, end in zip(self.cuts, ends, strict=False)):
            raise ValueError("the cuts have to be in order and apart")
        return self


class LabelledSummary(LabelledCuts):
    """A message, and which of its words a summary loses."""


class LabelledStings(LabelledCuts):
    """A message, and which of its words only hurt, so that a softer message loses them."""


class Labelled(_Row):
    """A label of personal data in a text: kind, start and the labelled text."""

    kind: PersonalKind
    start: Annotated[int, Field(ge=0)]
    text: Text

    @property
    def end(self) -> int:
        """The position after the labelled text."""
        return self.start + len(self.text)


class Personal(Line):
    """A message with labels for all its personal data, or a message that only looks as if it had some."""

    text: Text
    spans: tuple[Labelled, ...]

    @property
    def half(self) -> Literal["dev", "test"]:
        """The half of the data, by a hash of the text: rules are made from `dev` and measured on both."""
        return half_of(self.text)

    @model_validator(mode="after")
    def _labels_are_in_the_text(self) -> Self:
        end = 0
        for span in self.spans:
            if span.start < end or self.text[span.start : span.end] != span.text:
                raise ValueError(f"{span.text!r} is not at {span.start}, after the label before it")
            end = span.end
        return self


Word = Annotated[str, Field(min_length=1)]


class AnalysisLabels(_Row):
    """What a reader says a message does, and by which of its words; `data/seed/analysis/guideline.md`."""

    tone: Literal["harsh", "curt", "neutral", "warm"]
    directness: Literal["direct", "softened", "hidden", "none"]
    hard: bool
    priority: Literal["urgent", "normal", "low", "none"]
    deadlines: tuple[Word, ...]
    vague: tuple[Word, ...]
    unclear: tuple[Word, ...]
    terms: tuple[Word, ...]
    hurts: tuple[Word, ...]
    sarcasm: bool
    hedges: tuple[Word, ...]
    passive: tuple[Word, ...]
    transform: TransformType | Literal["none"]
    also: tuple[TransformType, ...]

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """The listed words by field."""
        fields = ("deadlines", "vague", "unclear", "terms", "hurts", "hedges", "passive")
        return {name: getattr(self, name) for name in fields}


class AnalysedMessage(Line):
    """What two blind readers say of a message of another part of the seed corpus."""

    text: Text
    first: AnalysisLabels
    second: AnalysisLabels

    @property
    def half(self) -> Literal["dev", "test"]:
        """The half of the data, by a hash of the text, as in `Personal`."""
        return half_of(self.text)

    @model_validator(mode="after")
    def _words_are_in_the_text(self) -> Self:
        for labels in (self.first, self.second):
            for name, words in labels.words.items():
                for word in words:
                    if word not in self.text:
                        raise ValueError(f"{name}: {word!r} is not in the message")
        return self


def half_of(text: str) -> Literal["dev", "test"]:
    """The half of labelled data to which a text belongs, by its hash: rules are made from `dev`."""
    return "dev" if blake2b(text.encode(), digest_size=1).digest()[0] % 2 else "test"


L = TypeVar("L", bound=Line)


class CorpusError(ValueError):
    """A seed file has an invalid line; the message names file, line and fault."""


def read(folder: Path) -> list[Original]:
    """Read all originals of a folder's jsonl files, in file order; see `read_lines`."""
    return read_lines(folder, Original)


def read_lines(folder: Path, kind: type[L]) -> list[L]:
    """Read all lines of a folder's jsonl files as `kind`, in file order.

    Raises CorpusError if there is no file, and at the first line that is no JSON, has a wrong or unknown
    field, or repeats an id. Only the labels of a message's edits may stand in several files.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise CorpusError(f"{folder} has no .jsonl files; it needs one for each domain")
    rows: list[L] = []
    seen: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            place = f"{file}:{number}"
            try:
                row = kind.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"])) or "line"
                raise CorpusError(f"{place}: {field}: {first['msg']}") from error
            is_first = row.id not in seen
            # Readers label edits of one message at several times, each in a file of their own.
            if not is_first and (kind is not LabelledEdits or seen[row.id].startswith(f"{file}:")):
                raise CorpusError(f"{place}: id {row.id} was used before, at {seen[row.id]}")
            seen[row.id] = place
            rows.append(row)
    return rows


def is_held_out(original_id: str) -> bool:
    """Whether the training stages hold a message out: a tenth of the ids, by their hash, so that a message
    stays held out when the corpus grows.
    """
    return blake2b(original_id.encode(), digest_size=2).digest()[0] % 10 == 0


def ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """The word n-grams of a text, case folded."""
    words = text.casefold().split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def most_common_ngram(texts: Iterable[str], size: int = 8) -> tuple[str, float]:
    """The n-gram that most texts have, and the share of texts that have it; "" and 0 without any n-gram."""
    all_texts = list(texts)
    counts = Counter(gram for text in all_texts for gram in ngrams(text, size))
    if not counts:
        return "", 0.0
    gram, count = counts.most_common(1)[0]
    return " ".join(gram), count / len(all_texts)
