"""A JSON Pointer names what the library `jsonpointer` says, which is another reading of RFC 6901."""

import re
from typing import Any

import jsonpointer
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.inbound import pointer

# Section 5 of RFC 6901.
DOCUMENT = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7,
    "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", DOCUMENT), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2),
        ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_the_examples_of_the_rfc(written: str, value: Any) -> None:
    assert re.search(pointer.PATTERN, written)
    assert pointer.resolve(DOCUMENT, written) == value


@pytest.mark.parametrize("written", ["foo", "/~", "/a~2", "#/foo", "/\0"])
def test_what_is_no_pointer_is_refused(written: str) -> None:
    assert not re.search(pointer.PATTERN, written)


@pytest.mark.parametrize(
    "written", ["/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/0/0", "/bar", "/a~1b/0", "/foo/" + "9" * 5000]
)
def test_what_is_not_there_is_a_lookup_error(written: str) -> None:
    with pytest.raises(LookupError):
        pointer.resolve(DOCUMENT, written)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("01-~/a", max_size=2), inner, max_size=3)
    ),
)
TOKENS = st.lists(st.text("01-~/a٣", max_size=3), max_size=4)


@given(VALUES, TOKENS)
@example([["x"]], ["0", "-"])
@example(["x"], ["٣"])
def test_it_reads_as_another_implementation_does(document: Any, tokens: list[str]) -> None:
    written = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
    assert re.search(pointer.PATTERN, written)
    missing = object()
    expected = jsonpointer.resolve_pointer(document, written, missing)
    if isinstance(expected, jsonpointer.EndOfList):  # `-` names what is not there yet
        expected = missing
    try:
        value = pointer.resolve(document, written)
    except LookupError:
        value = missing
    assert value is expected or value == expected
