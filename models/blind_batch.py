"""A person labels rewrites blind, in a CSV file, and learns how far they agree with readers and a judge.

    draw      a batch of rewrites of several systems, in random order and without their names
    write     the batch as a file with an empty column `label`
    read      the file with its labels; whatever was changed in it by mistake is named
    measure   the agreement with another labeller

`GUIDELINE` defines the labels; read it first. `models.reading` has all rewrites of a system read by two
readers; this is one person's check of both.
"""

import csv
import io
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from data.corpus import Label, ReadRewrite
from models import fidelity, labels
from models.labels import LABELS
from models.results import Estimate
from models.scoreboard import estimate_share
from models.sheets import ReadingError, SheetRow, make_row

GUIDELINE = labels.FOLDER / "guideline.md"
JUDGE = "judge (models.fidelity)"  # its name among the labellers
COLUMNS = ("id", "message", "type", "intensity", "rewrite", "label")
_DELIMITERS = ",;\t"
# A spreadsheet would run a cell that starts with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_row(read: ReadRewrite) -> SheetRow:
    """What a reader sees of a labelled rewrite."""
    return make_row(read.text, read.transform_type, read.intensity, read.rewrite)


def by_system(rows: Iterable[ReadRewrite]) -> dict[str, list[SheetRow]]:
    """What a reader sees of labelled rewrites, by the name of their system."""
    systems: dict[str, list[SheetRow]] = {}
    for row in rows:
        systems.setdefault(row.system, []).append(to_row(row))
    return systems


def draw(systems: Mapping[str, Sequence[SheetRow]], number: int, seed: int) -> list[SheetRow]:
    """A batch of `number` rewrites in random order: about as many of each system, and no message twice.

    `systems` has the rewrites by the name of their system. The same arguments give the same batch. Raises
    ValueError when the systems rewrote too few different messages.
    """
    rng = random.Random(seed)
    names = sorted(systems)
    rng.shuffle(names)
    waiting = {name: rng.sample(list(systems[name]), len(systems[name])) for name in names}
    batch: dict[str, SheetRow] = {}  # by message
    while any(waiting.values()) and len(batch) < number:
        for rows in waiting.values():
            row = next((row for row in _take(rows) if row.text not in batch), None)
            if row is not None and len(batch) < number:
                batch[row.text] = row
    if len(batch) < number:
        raise ValueError(f"a batch of {number} needs as many messages, and there are {len(batch)}")
    return rng.sample(list(batch.values()), number)


def _take(rows: list[SheetRow]) -> Iterator[SheetRow]:
    """The rows from the last to the first; each leaves the list."""
    while rows:
        yield rows.pop()


def write(batch: Sequence[SheetRow], file: Path) -> Path:
    """Write the batch with an empty column `label`, for a spreadsheet or an editor; return `file`.

    If the file has this batch already, it stays as it is, so that no label gets lost. Raises ReadingError
    when it has another one.
    """
    if file.exists():
        if {cells["id"] for cells in _read_cells(file)} != {row.key for row in batch}:
            raise ReadingError(f"{file} has another batch: move it away, or choose another name")
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8-sig", newline="") as out:  # the mark tells Excel that it is UTF-8
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows([row.key, *_show(row), ""] for row in batch)
    return file


def _show(row: SheetRow) -> list[str]:
    """The cells of message, type, intensity and rewrite."""
    return [_guard(row.text), row.transform_type.value, str(row.intensity), _guard(row.rewrite)]


def _guard(text: str) -> str:
    """A text as a cell that no spreadsheet runs as a formula: with an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def read(file: Path, batch: Sequence[SheetRow]) -> dict[str, Label]:
    """The labels of a filled-in file by the rows' keys. Rows may be in any order, labels in any case.

    Raises ReadingError, with the number of the row in a spreadsheet, unless the file has each row of the
    batch once, with its texts as they were and one of the four labels.
    """
    rows = {row.key: row for row in batch}
    given: dict[str, Label] = {}
    without: list[int] = []
    for number, cells in enumerate(_read_cells(file), start=2):  # row 1 has the names of the columns
        key, place = cells["id"].strip(), f"{file}, row {number}"
        if key not in rows:
            raise ReadingError(f"{place}: the id {key!r} is not in this batch")
        if key in given:
            raise ReadingError(f"{place}: the id {key} was there before")
        for column, text in zip(COLUMNS[1:5], _show(rows[key]), strict=True):
            if _normalise(cells[column]) not in (_normalise(text), _normalise(text.removeprefix("'"))):
                raise ReadingError(
                    f"{place}: the {column} of {key} was changed; copy it from the batch again: {text[:80]!r}"
                )
        label = cells["label"].strip().lower()
        known = next((known for known in LABELS if known == label), None)
        if label and known is None:
            raise ReadingError(f"{place}: {label!r} is no label; they are {', '.join(LABELS)}")
        if known is None:
            without.append(number)
        else:
            given[key] = known
    if without:
        raise ReadingError(
            f"{file}: {len(without)} of {len(batch)} rows have no label, the first is row {without[0]}"
        )
    if absent := [key for key in rows if key not in given]:
        raise ReadingError(
            f"{file}: {len(absent)} of {len(batch)} rows are missing, the first is {absent[0]}"
        )
    return given


def _normalise(text: str) -> str:
    """A cell without what spreadsheets change: the kind of line breaks, and white space at the ends."""
    return "\n".join(text.splitlines()).strip()


def _read_cells(file: Path) -> list[dict[str, str]]:
    """The rows of a file by the names of its columns; commas, semicolons or tabs may separate them."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ReadingError(f"{file} does not exist: write the batch to it first") from error
    except UnicodeDecodeError as error:
        raise ReadingError(f"{file} is not in UTF-8: save it as CSV in UTF-8") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head.count), restval=""
    )
    if absent := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
        raise ReadingError(f"{file} has no column {absent[0]!r}; its columns should be {', '.join(COLUMNS)}")
    return list(reader)


def judge(row: SheetRow) -> Label:
    """The label that `models.fidelity` gives: usable without a fault, timid for a copy, otherwise wrong.

    It does not see when a rewrite that is no copy does too little.
    """
    faults = fidelity.check(row.text, row.rewrite, row.transform_type, row.intensity)
    if not faults:
        return "usable"
    match faults[0].kind:
        case "broken":
            return "broken"
        case "copied":
            return "timid"
    return "wrong"


def collect(batch: Sequence[SheetRow], rows: Sequence[ReadRewrite]) -> dict[str, dict[str, Label]]:
    """What others said of the batch, by labeller and key: both readers, what was settled, and the judge.

    Raises ValueError when the readers did not label a row of the batch.
    """
    by_key = {to_row(row).key: row for row in rows}
    if absent := [row.key for row in batch if row.key not in by_key]:
        raise ValueError(f"no reader labelled {len(absent)} rows of the batch, the first is {absent[0]}")
    read_rows = {row.key: by_key[row.key] for row in batch}
    return {
        "first reader": {key: row.first for key, row in read_rows.items()},
        "second reader": {key: row.second for key, row in read_rows.items()},
        "readers, settled": {key: row.label for key, row in read_rows.items()},
        JUDGE: {row.key: judge(row) for row in batch},
    }


class Agreement(NamedTuple):
    """How far two labellers agree on `rows` rewrites.

    `same` is the share with equal labels. `kappa` is Cohen's: 1 is full agreement, 0 what chance would give;
    None when both gave all rows one and the same label. `confusion` counts rows by one's own label (row) and
    the other's (column), in the order of `labels.LABELS`.
    """

    rows: int
    same: Estimate
    kappa: Estimate | None
    confusion: tuple[tuple[int, ...], ...]


def measure(own: Mapping[str, Label], other: Mapping[str, Label]) -> Agreement:
    """The agreement of two labellers of a batch, by key. Intervals are at 95 %.

    The interval of kappa is Wilson's for the share of equal labels, with the agreement by chance taken as
    known. In simulations by the confusion tables of both readers and of reader and judge it held in 94 to
    98 % of batches of 30 to 154 rows. The usual one (Fleiss, Cohen and Everitt 1969) held in 73 to 96 %, and
    has no width when all labels are equal.

    Raises ValueError for an empty batch, and when the two have labels of different rows.
    """
    if not own or own.keys() != other.keys():
        raise ValueError(f"two labellers need the same rows; they have {len(own)} and {len(other)}")
    keys = list(own)
    pair = [own[key] for key in keys], [other[key] for key in keys]
    confusion = confusion_matrix(*pair, labels=list(LABELS))  # (own labels, other labels)
    same, number = int(confusion.trace()), len(keys)
    chance = float(confusion.sum(axis=0) @ confusion.sum(axis=1)) / number**2
    kappa = None
    if chance < 1:
        low, high = binomtest(same, number).proportion_ci(method="wilson")
        kappa = Estimate(
            mean=float(cohen_kappa_score(*pair, labels=list(LABELS))),
            low=(float(low) - chance) / (1 - chance),
            high=(float(high) - chance) / (1 - chance),
        )
    return Agreement(number, estimate_share(same, number), kappa, tuple(map(tuple, confusion.tolist())))
