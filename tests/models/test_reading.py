"""A reading from the messages to the labels, step by step, without a model: the rules and the references."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import configs
from data import corpus
from models import drafts, labels, reading
from models.reading import ReadingConfig, ReadingError, System
from models.teacher import TeacherConfig
from models.validity import labels_of
from tests import endpoints

MESSAGES = [
    {
        "id": f"note-{number:03}",
        "domain": "notes",
        "style": "blunt",
        "text": text,
        "facts": [],
        "rewrites": [{"transform_type": "soften", "intensity": 1, "text": reference}],
    }
    for number, (text, reference) in enumerate(
        [
            ("Fix the page.", "Could you fix the page?"),
            ("Send the list.", "Please send the list."),  # the rules write the same
            ("The hall is closed.", "The hall is closed, I'm afraid."),
        ]
    )
]


@pytest.fixture
def config(tmp_path: Path) -> ReadingConfig:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "notes.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in MESSAGES))
    return ReadingConfig(folders=(folder,), systems={}, out=tmp_path / "reading")


def read(config: ReadingConfig, sheet: str, reader: str, label: Callable[[str], str]) -> None:
    rows = [json.loads(line) for line in (config.out / sheet).read_text().splitlines()]
    lines = [json.dumps({"key": row["key"], "label": label(row["rewrite"])}) for row in rows]
    (config.out / f"{reader}.jsonl").write_text("\n".join(lines))


def test_a_sheet_hides_the_system_and_has_equal_rewrites_once(config: ReadingConfig):
    assert "5 rows" in reading.main(config)
    rows = [json.loads(line) for line in (config.out / "sheet.jsonl").read_text().splitlines()]
    assert len(rows) == 5
    assert {frozenset(row) for row in rows} == {
        frozenset({"key", "transform_type", "intensity", "text", "rewrite"})
    }


def test_the_steps_end_in_labels(config: ReadingConfig):
    reading.main(config)
    read(config, "sheet.jsonl", "first", lambda text: "usable" if "?" in text else "timid")
    assert "second.jsonl" in reading.main(config)
    read(
        config, "sheet.jsonl", "second", lambda text: "usable" if "?" in text or "afraid" in text else "timid"
    )
    assert "differ on 1 rows" in reading.main(config)
    read(config, "differences.jsonl", "third", lambda text: "wrong")
    assert reading.main(config).startswith("labels: ")
    (config.out / "only").mkdir()
    (config.out / "labels.jsonl").rename(config.out / "only" / "labels.jsonl")
    rows = labels.read_labels(config.out / "only")
    assert len(rows) == 6, "each system has its row, though two rewrites are equal"
    assert {(row.system, row.message, row.label) for row in rows} == {
        ("rules", "note-000", "timid"),
        ("rules", "note-001", "timid"),
        ("rules", "note-002", "timid"),
        ("reference", "note-000", "usable"),
        ("reference", "note-001", "timid"),
        ("reference", "note-002", "wrong"),
    }


def test_a_teachers_first_drafts_are_read_under_the_name_that_validity_asks_for(
    config: ReadingConfig, tmp_path: Path
):
    with endpoints.serve(lambda turn: f"Could you? {turn.splitlines()[1]}") as fake:
        connection = {"base_url": fake.url, "model": "large", "timeout_s": 60}
        file = tmp_path / "teacher.yaml"
        fields = {"teacher": {**connection, "licence": "any"}, "judge": connection, "own_judge": True}
        file.write_text(json.dumps({**fields, "out": str(tmp_path / "snapshots")}))
        config = config.model_copy(update={"systems": {"large": System(teacher=file)}, "rules": False})
        reading.main(config)
        for reader in ("first", "second"):
            read(config, "sheet.jsonl", reader, lambda text: "usable")
        assert reading.main(config).startswith("labels: ")
        assert len(fake.requests) == 3, "each message is sent once"
    (config.out / "only").mkdir()
    (config.out / "labels.jsonl").rename(config.out / "only" / "labels.jsonl")
    rows = labels.read_labels(config.out / "only")
    policy = drafts.name_policy(configs.load(TeacherConfig, file))
    read_rows = labels_of(rows, policy)
    assert {row.rewrite for row in read_rows} == {f"Could you? {line['text']}" for line in MESSAGES}


def test_a_readers_file_is_checked(config: ReadingConfig):
    reading.main(config)
    read(config, "sheet.jsonl", "second", lambda text: "usable")
    read(config, "sheet.jsonl", "first", lambda text: "good")
    with pytest.raises(ReadingError, match=r"first\.jsonl:1: Input should be 'usable', 'timid', 'wrong' or"):
        reading.main(config)
    read(config, "sheet.jsonl", "first", lambda text: "usable")
    file = config.out / "first.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[1:]))
    with pytest.raises(ReadingError, match="1 of 5 rows have no label, the first is"):
        reading.main(config)
    file.write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(ReadingError, match=r"first\.jsonl:6: the key \w+ is twice"):
        reading.main(config)
    file.write_text("\n".join([*lines, '{"key": "0", "label": "usable"}']))
    with pytest.raises(ReadingError, match="the key 0 is not on the sheet"):
        reading.main(config)


def test_the_order_of_a_sheet_does_not_tell_the_system(config: ReadingConfig):
    """With other seeds other orders; the same seed gives the same sheet, so that labels stay valid."""
    rewrites = reading.write_rewrites(config)
    orders = {tuple(row.key for row in reading.make_sheet(rewrites, seed)) for seed in range(8)}
    assert len(orders) > 4
    assert reading.make_sheet(rewrites, 3) == reading.make_sheet(rewrites, 3)


def test_the_shipped_settings_are_valid():
    import configs

    config = configs.load(ReadingConfig, "configs/reading.yaml")
    assert corpus.read(config.folders[0])
