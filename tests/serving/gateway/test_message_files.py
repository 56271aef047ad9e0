"""The messages of a batch, from JSON, JSON Lines and CSV."""

import json

import pytest

from serving.gateway.message_files import CSV, JSON, JSON_LINES, MOST_MESSAGES, read_messages
from serving.gateway.problems import InvalidError

MESSAGE = {"text": "Fix it, now.", "transform_type": "soften", "intensity": 2}
LINE = json.dumps(MESSAGE)
CSV_TEXT = (
    'text,transform_type,intensity,user_id\r\n"Fix it, now.",soften,2,ada\r\n"Two\r\nlines",clarify,1,\r\n'
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, json.dumps({"items": [MESSAGE, MESSAGE]})),
        ("Application/JSON; charset=utf-8", json.dumps({"items": [MESSAGE, MESSAGE]})),
        (JSON_LINES, f"{LINE}\n\n{LINE}"),
        (CSV, 'text,transform_type,intensity\n"Fix it, now.",soften,2\n"Fix it, now.",soften,2\n'),
        (CSV, '\ufefftransform_type,text,intensity\nsoften,"Fix it, now.",2\nsoften,"Fix it, now.",2\n'),
    ],
)
def test_each_kind_of_file_has_the_same_messages(content_type: str, body: str) -> None:
    messages = read_messages(content_type, body.encode())
    assert [message.model_dump(exclude_none=True) for message in messages] == [MESSAGE, MESSAGE]


def test_a_cell_may_be_empty_or_have_several_lines() -> None:
    first, second = read_messages(CSV, CSV_TEXT.encode())
    assert (first.user_id, second.user_id) == ("ada", None)
    assert second.text == "Two\r\nlines"


@pytest.mark.parametrize(
    ("content_type", "body", "field", "says"),
    [
        (JSON, "{", "body", "JSON"),
        (JSON, json.dumps({"items": []}), "items", "at least 1"),
        (JSON, json.dumps({"items": [{**MESSAGE, "intensity": 9}]}), "intensity", "3"),
        (JSON_LINES, f"{LINE}\n{{}}", "line 2, text", "required"),
        (JSON_LINES, f"{LINE}\nnonsense", "line 2", "JSON"),
        (JSON_LINES, "\n \n", "file", "no message"),
        (CSV, "", "file", "text and transform_type and intensity"),
        (CSV, "text,intensity\nx,2\n", "file", "transform_type"),
        (CSV, "text,transform_type,intensity\nFix it.,soften,nine\n", "line 2, intensity", "integer"),
        (CSV, "text,transform_type,intensity\nFix it.,soften,2,more\n", "file", "double quotes"),
        (
            CSV,
            "text,transform_type,intensity,urgent\nFix it.,soften,2,yes\n",
            "line 2, urgent",
            "not permitted",
        ),
        (CSV, 'text,transform_type,intensity\n"Fix it.,soften,2\n', "file", "line"),
        ("text/plain", "Fix it.", "Content-Type", "text/csv"),
    ],
)
def test_a_mistake_is_named_by_its_line(content_type: str, body: str, field: str, says: str) -> None:
    with pytest.raises(InvalidError) as raised:
        read_messages(content_type, body.encode())
    (name, why), *_ = raised.value.by_field.items()
    assert name == field
    assert says in str(why)


def test_bytes_that_are_no_text_are_a_mistake() -> None:
    with pytest.raises(InvalidError, match="not readable"):
        read_messages(CSV, b"text,transform_type,intensity\n\xff,soften,2\n")


@pytest.mark.parametrize("content_type", [JSON_LINES, CSV])
def test_more_messages_than_a_batch_has_are_a_mistake(content_type: str) -> None:
    row = "Fix it.,soften,2\n"
    body = {
        JSON_LINES: f"{LINE}\n" * (MOST_MESSAGES + 1),
        CSV: "text,transform_type,intensity\n" + row * (MOST_MESSAGES + 1),
    }[content_type]
    with pytest.raises(InvalidError, match="10,000"):
        read_messages(content_type, body.encode())


def test_the_first_mistakes_of_a_file_are_named_together() -> None:
    with pytest.raises(InvalidError) as raised:
        read_messages(JSON_LINES, b"{}\n" * 500)
    assert len(raised.value.by_field) == 20
