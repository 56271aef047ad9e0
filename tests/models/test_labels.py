"""The labels of readers: agreement, shares and AUC against values by hand, and the labels of the seed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from data import corpus
from models import labels
from tests.labelled import label_rewrite


def test_the_third_reader_settles_a_difference_and_only_a_difference():
    assert label_rewrite("usable").label == "usable"
    assert label_rewrite("usable", "wrong", "wrong").label == "wrong"
    for wrong in (
        lambda: label_rewrite("usable", "wrong"),
        lambda: label_rewrite("usable", "usable", "wrong"),
    ):
        with pytest.raises(ValidationError, match="where two readers differ, and only there"):
            wrong()


def test_kappa_by_hand():
    """Eight of ten agree; by chance (.6 * .6 + .4 * .4) = .52 would: (.8 - .52) / .48."""
    rows = [label_rewrite("usable")] * 5 + [label_rewrite("wrong")] * 3
    rows += [label_rewrite("usable", "wrong", "wrong"), label_rewrite("wrong", "usable", "wrong")]
    assert labels.measure_agreement(rows) == pytest.approx(0.28 / 0.48)


def test_a_share_of_zero_events_has_an_interval():
    """Clopper and Pearson: the upper end for 0 of n is 1 - .025 ** (1 / n)."""
    share = labels.estimate_share([label_rewrite("timid")] * 84, "usable")
    assert (share.mean, share.low) == (0, 0)
    assert share.high == pytest.approx(1 - 0.025 ** (1 / 84))
    with pytest.raises(ValueError, match="there are no cases"):
        labels.estimate_share([], "usable")


def test_auc_by_hand():
    """Of six pairs three are in order and one is a tie: 3.5 / 6."""
    auc = labels.estimate_auc([0.9, 0.2], [0.5, 0.2, 0.3])
    assert auc.mean == pytest.approx(3.5 / 6)
    assert auc.low < auc.mean < auc.high
    assert labels.estimate_auc([0.9], [0.1]).low == 0, "one row a side says nothing"
    with pytest.raises(ValueError, match="at least one usable and one wrong"):
        labels.estimate_auc([], [0.1])


def test_a_table_counts_each_group():
    rows = [label_rewrite("usable"), label_rewrite("timid"), label_rewrite("wrong")]
    table = labels.tabulate(rows, ["a", "a", "b"]).splitlines()
    assert table[2].startswith("| a | 2 | 50 % | 50 % | 0 % | 0 % |")
    assert table[3].startswith("| b | 1 | 0 % | 0 % | 100 % | 0 % |")


def test_the_seed_has_six_hundred_labels_of_messages_that_it_contains():
    rows = labels.read_labels()
    assert len({(row.text, row.transform_type, row.intensity, row.rewrite) for row in rows}) >= 600
    messages = {m.id: m.text for m in corpus.read(corpus.SEED / "ordinary" / "dev")}
    for read in rows:
        assert messages[read.message] == read.text
    assert {"rules", "reference"} < {read.system for read in rows}
    assert labels.measure_agreement(rows) > 0.6


def test_the_page_is_what_the_labels_say():
    """`python -m models.labels` writes it again."""
    page = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    assert page == labels.write_page(labels.read_all())


def test_the_labels_of_the_edit_writer_are_of_messages_of_the_seed():
    messages = {
        message.id: message.text
        for part in ("dev", "test", "fresh")
        for message in corpus.read(corpus.SEED / "ordinary" / part)
    }
    sealed = corpus.read_lines(corpus.SEED / "ordinary" / "sealed", corpus.Message)
    messages |= {message.id: message.text for message in sealed}
    rows = labels.read_labels(labels.EDITS)
    assert all(messages[row.message] == row.text for row in rows)
    champion = [row for row in rows if row.system == labels.CHAMPION]
    assert len({row.message for row in champion}) == len(champion) >= 150


def test_examples_are_shown_as_they_are():
    read = label_rewrite("usable", rewrite="- *one* | two\n- <b>`three`</b>")
    line = labels.draw_examples([read], 40, 0).splitlines()[2]
    assert r"- \*one\* \| two<br>- \<b\>\`three\`\</b\>" in line


def test_no_labels_are_an_error(tmp_path: Path):
    for read in (labels.read_labels, labels.read_all):
        with pytest.raises(corpus.CorpusError, match=r"no \.jsonl files"):
            read(tmp_path)


def test_all_labels_are_those_of_the_folder_and_of_its_folders():
    rows = [*labels.read_labels(), *labels.read_labels(labels.EDITS)]
    assert sorted(row.id for row in labels.read_all()) == sorted(row.id for row in rows)
    assert labels.read_all()[0].system == labels.CHAMPION
