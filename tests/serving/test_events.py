import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import events
from serving.events import Piece


@pytest.mark.parametrize(
    ("sent", "text", "piece"),
    [
        ("", "", None),
        ("a", "a", None),
        ("", "a", Piece("delta", "a")),
        ("Please", "Please wait", Piece("delta", " wait")),
        ("Please", "Pleas", Piece("replace", "Pleas")),
        ("Please", "", Piece("replace", "")),
    ],
)
def test_what_turns_one_text_into_another(sent: str, text: str, piece: Piece | None) -> None:
    assert events.difference(sent, text) == piece


@given(st.lists(st.text(), max_size=8))
def test_pieces_give_each_text_again_and_each_is_two_lines(texts: list[str]) -> None:
    client_text = ""
    for before, after in itertools.pairwise(["", *texts]):
        piece = events.difference(before, after)
        if piece is None:
            continue
        kind, data, *rest = piece.encode().split(b"\n")
        assert (kind, rest) == (f"event: {piece.kind}".encode(), [b"", b""])
        sent = json.loads(data.removeprefix(b"data: "))["text"]
        client_text = client_text + sent if piece.kind == "delta" else sent
        assert client_text == after
