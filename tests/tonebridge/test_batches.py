"""Files of messages, and their types."""

from pathlib import Path

import pytest

from tonebridge import batches
from tonebridge.types import TransformRequest

ITEM: TransformRequest = {"text": "修正", "transform_type": "soften", "intensity": 2}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "text/csv"), ("a.JSONL", "application/x-ndjson"), ("a.json", "application/json")],
)
def test_the_name_of_a_file_tells_its_type(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert batches.encode(tmp_path / name, None) == (b"x", kind)


def test_a_list_is_json() -> None:
    content, kind = batches.encode(iter([ITEM]), None)
    assert (content.decode(), kind) == (
        '{"items": [{"text": "修正", "transform_type": "soften", "intensity": 2}]}',
        "application/json",
    )


def test_what_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(ValueError, match="say what these bytes are: content_type, text/csv or "):
        batches.encode(b"x", None)
    with pytest.raises(ValueError, match=r"a\.txt is none of .*give its content_type"):
        batches.encode(Path("a.txt"), None)
    assert batches.encode(b"x", "text/csv") == (b"x", "text/csv")
