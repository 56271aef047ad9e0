"""A batch from its draw to the agreement: what the file hides, what it refuses, and kappa's interval."""

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from data.corpus import Label
from data.records import TransformType
from models import blind_batch, labels
from models.labels import LABELS
from models.sheets import ReadingError, SheetRow, make_row

TEXTS = [f"Message {number}, and {number} more." for number in range(30)]
# What spreadsheets change or run: a formula, a list, quotes, a delimiter, several lines, Japanese.
REWRITES = [
    '=HYPERLINK("x")',
    "- One\n- Two",
    'He said "no"; then, yes',
    "直してください。",
    " leading",
    "+1",
    "'x",
]


def systems() -> dict[str, list[SheetRow]]:
    return {
        name: [make_row(text, TransformType.SOFTEN, 2, f"{name}: {text}") for text in TEXTS]
        for name in ("alpha", "beta", "gamma")
    }


def hard_batch() -> list[SheetRow]:
    return [
        make_row(text, TransformType.STRUCTURE, 1, rewrite)
        for text, rewrite in zip(TEXTS, REWRITES, strict=False)
    ]


def fill_in(file: Path, label: str = "usable", delimiter: str = ",") -> list[list[str]]:
    """Label all rows of a file in reverse order, as a spreadsheet would write it."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        head, *rows = csv.reader(source)
    rows = [[*row[:-1], label] for row in reversed(rows)]
    save(file, [head, *rows], delimiter)
    return [head, *rows]


def save(file: Path, rows: list[list[str]], delimiter: str = ",") -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)


def test_a_batch_has_each_message_once_and_each_system_as_often() -> None:
    batch = blind_batch.draw(systems(), 20, seed=1)
    assert len({row.text for row in batch}) == 20
    counts = Counter(row.rewrite.partition(":")[0] for row in batch)
    assert sorted(counts.values()) == [6, 7, 7]
    assert batch == blind_batch.draw(dict(reversed(systems().items())), 20, seed=1)
    assert batch != blind_batch.draw(systems(), 20, seed=2)
    order = [row.rewrite.partition(":")[0] for row in batch]
    assert order != sorted(order), "the systems are mixed"
    with pytest.raises(ValueError, match="a batch of 31 needs as many messages, and there are 30"):
        blind_batch.draw(systems(), 31, seed=1)


def test_the_file_names_no_system_and_comes_back_with_its_labels(tmp_path: Path) -> None:
    batch = hard_batch()
    file = blind_batch.write(batch, tmp_path / "new" / "batch.csv")
    with file.open(encoding="utf-8-sig", newline="") as source:
        head, *rows = csv.reader(source)
    assert tuple(head) == ("id", "message", "type", "intensity", "rewrite", "label")
    assert {row[-1] for row in rows} == {""}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    fill_in(file, " Timid ")
    assert blind_batch.read(file, batch) == {row.key: "timid" for row in batch}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_line_breaks_are_read(tmp_path: Path, delimiter: str) -> None:
    batch = hard_batch()
    file = blind_batch.write(batch, tmp_path / "batch.csv")
    fill_in(file, "wrong", delimiter)
    file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert set(blind_batch.read(file, batch).values()) == {"wrong"}


def test_a_batch_is_written_once_and_no_label_gets_lost(tmp_path: Path) -> None:
    file = blind_batch.write(hard_batch(), tmp_path / "batch.csv")
    fill_in(file)
    before = file.read_bytes()
    blind_batch.write(hard_batch(), file)
    assert file.read_bytes() == before
    with pytest.raises(ReadingError, match="has another batch: move it away"):
        blind_batch.write(hard_batch()[1:], file)


def test_every_fault_of_a_file_is_named_with_its_row(tmp_path: Path) -> None:
    batch = hard_batch()
    file = tmp_path / "batch.csv"
    with pytest.raises(ReadingError, match="does not exist: write the batch to it first"):
        blind_batch.read(file, batch)
    blind_batch.write(batch, file)
    with pytest.raises(ReadingError, match="7 of 7 rows have no label, the first is row 2"):
        blind_batch.read(file, batch)
    head, *rows = fill_in(file)
    label, rewrite, key = len(head) - 1, head.index("rewrite"), 0

    def change(row: int, column: int, cell: str) -> list[list[str]]:
        changed = [list(cells) for cells in rows]
        changed[row][column] = cell
        return [head, *changed]

    for content, match in (
        (
            change(2, label, "good"),
            r"batch\.csv, row 4: 'good' is no label; they are usable, timid, wrong, br",
        ),
        (change(0, label, " "), "1 of 7 rows have no label, the first is row 2"),
        (
            change(1, rewrite, "Mended."),
            r"row 3: the rewrite of \w+ was changed; copy it from the batch again",
        ),
        (change(1, 2, "soften"), r"row 3: the type of \w+ was changed"),
        (change(3, key, "0123"), "row 5: the id '0123' is not in this batch"),
        ([head, *rows, rows[0]], r"row 9: the id \w+ was there before"),
        ([head, *rows[1:]], "1 of 7 rows are missing, the first is"),
        (
            [head[:-1], *(row[:-1] for row in rows)],
            "has no column 'label'; its columns should be id, message",
        ),
        ([], "has no column 'id'"),
    ):
        save(file, content)
        with pytest.raises(ReadingError, match=match):
            blind_batch.read(file, batch)
    file.write_bytes("id,é".encode("latin-1"))
    with pytest.raises(ReadingError, match="not in UTF-8: save it as CSV in UTF-8"):
        blind_batch.read(file, batch)


def test_what_others_said_is_found_by_the_texts() -> None:
    rows = labels.read_labels(labels.EDITS)[:200]
    batch = [blind_batch.to_row(row) for row in rows[50:80]]
    others = blind_batch.collect(batch, rows)
    assert list(others["second reader"].values()) == [row.second for row in rows[50:80]]
    assert list(others["readers, settled"].values()) == [row.label for row in rows[50:80]]
    for row, label in zip(rows[50:80], others[blind_batch.JUDGE].values(), strict=True):
        if row.text == row.rewrite:
            assert label == ("timid" if row.intensity else "usable")
    with pytest.raises(ValueError, match="no reader labelled 7 rows of the batch"):
        blind_batch.collect(hard_batch(), rows)


@pytest.mark.parametrize(
    ("rewrite", "label"),
    [
        ("Could you please send me the Q3 numbers today?", "usable"),
        ("Send me the Q3 numbers today.", "timid"),
        ("Could you please not send me the Q3 numbers today?", "wrong"),
        ("Send me send me send me send me send me send me send me send me", "broken"),
    ],
)
def test_the_judge_speaks_in_labels(rewrite: str, label: Label) -> None:
    row = make_row("Send me the Q3 numbers today.", TransformType.SOFTEN, 2, rewrite)
    assert blind_batch.judge(row) == label


def test_kappa_and_the_confusion_table_by_hand() -> None:
    """Eight of ten agree; by chance (.6 * .6 + .4 * .4) = .52 would: (.8 - .52) / .48."""
    own: dict[str, Label] = {str(n): "usable" if n < 6 else "wrong" for n in range(10)}
    other: dict[str, Label] = {**own, "0": "wrong", "9": "usable"}
    agreement = blind_batch.measure(own, dict(reversed(other.items())))
    assert agreement.confusion == ((5, 0, 1, 0), (0, 0, 0, 0), (1, 0, 3, 0), (0, 0, 0, 0))
    assert agreement.same.mean == 0.8
    assert agreement.kappa is not None
    assert agreement.kappa.mean == pytest.approx(0.28 / 0.48)
    assert agreement.kappa.mean == pytest.approx(cohens_kappa(np.array(agreement.confusion)).kappa)
    assert agreement.kappa.low < agreement.kappa.mean < agreement.kappa.high < 1


def test_full_agreement_has_an_interval_and_one_label_has_no_kappa() -> None:
    own: dict[str, Label] = {str(n): LABELS[n % 2] for n in range(20)}
    kappa = blind_batch.measure(own, own).kappa
    assert kappa is not None
    assert kappa.mean == pytest.approx(1)
    assert kappa.high == pytest.approx(1)
    assert 0.5 < kappa.low < 0.8
    same: dict[str, Label] = dict.fromkeys(own, "timid")
    assert blind_batch.measure(same, same).kappa is None
    with pytest.raises(ValueError, match="need the same rows; they have 20 and 1"):
        blind_batch.measure(own, {"0": "usable"})
    with pytest.raises(ValueError, match="need the same rows; they have 0 and 0"):
        blind_batch.measure({}, {})


def test_the_interval_of_kappa_holds_where_the_usual_one_does_not() -> None:
    """Batches drawn from what two readers said of the champion: its true kappa is known."""
    rows = [row for row in labels.read_labels(labels.EDITS) if row.system == labels.CHAMPION]
    truth = labels.measure_agreement(rows)
    rng = random.Random(0)
    held = usual = 0
    batches = 300
    for _ in range(batches):
        drawn = rng.choices(rows, k=40)
        agreement = blind_batch.measure(
            {str(n): row.first for n, row in enumerate(drawn)},
            {str(n): row.second for n, row in enumerate(drawn)},
        )
        assert agreement.kappa is not None
        held += agreement.kappa.low <= truth <= agreement.kappa.high
        with np.errstate(all="ignore"):
            result = cohens_kappa(np.array(agreement.confusion))
        usual += result.kappa_low <= truth <= result.kappa_upp
    assert held / batches > 0.93
    assert usual / batches < 0.92


def test_the_draw_of_the_seed_mixes_systems() -> None:
    rows = labels.read_all()
    systems = blind_batch.by_system(rows)
    assert {name: len(members) for name, members in systems.items()} == Counter(row.system for row in rows)
    batch = blind_batch.draw(systems, 60, seed=0)
    others = blind_batch.collect(batch, rows)
    assert len(others["first reader"]) == 60
