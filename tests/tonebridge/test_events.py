"""Events in pieces of any size, and the draft that they make."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import events as served
from tonebridge import UnavailableError
from tonebridge.events import Draft, EventReader

# Characters that Python's `splitlines` takes for the end of a line.
TEXTS = ["Please\u2028wait.\x85", "お待ちください。", "", "data: x\n\nevent: y"]


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5), st.lists(st.integers(1, 7)), st.booleans())
def test_events_are_read_however_they_are_cut(texts: list[str], sizes: list[int], has_returns: bool) -> None:
    encoded = served.HEARTBEAT.join(
        served.encode("delta", json.dumps({"text": text}, ensure_ascii=False).encode()) for text in texts
    )
    if has_returns:
        encoded = encoded.replace(b"\n", b"\r\n")
    reader, found = EventReader(), []
    for size in [*sizes, len(encoded)]:
        piece, encoded = encoded[:size], encoded[size:]
        found += list(reader.feed(piece))
    assert found == [("delta", {"text": text}) for text in texts]


def test_a_draft_is_what_a_person_sees() -> None:
    draft = Draft()
    steps = [
        ("delta", "Fix"),
        ("delta", " it"),
        ("unknown", "x"),
        ("replace", "Please"),
        ("delta", " fix it"),
    ]
    seen = [draft.take(kind, {"text": text}).draft for kind, text in steps]
    assert seen == ["Fix", "Fix it", "Fix it", "Please", "Please fix it"]
    answer = {"transformed_text": "Please fix it."}
    last = draft.take("answer", answer)
    assert (last.kind, last.draft, last.answer) == (
        "answer",
        "Please fix it.",
        {"transformed_text": "Please fix it."},
    )


def test_an_error_in_a_stream_is_raised() -> None:
    draft = Draft()
    with pytest.raises(UnavailableError, match="503: later"):
        draft.take("error", {"status": 503, "detail": "later"})
    assert not draft.has_begun
