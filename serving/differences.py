"""The differences of two texts: in words, and in Japanese in runs of one script, marked as HTML.

The dashboard, the notebooks and any other page use it. rapidfuzz finds the longest common subsequence in
O(n * m / 64) steps. Rejected: `difflib.SequenceMatcher`, which takes cubic time for a text that repeats a
word, so that a page has to refuse long texts; and `diff-match-patch`, which cuts words into characters.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, Protocol

from markupsafe import Markup, escape
from rapidfuzz.distance import Indel

Kind = Literal["equal", "delete", "insert"]
_TAGS = {"delete": "del", "insert": "ins"}

_HAN, _HIRAGANA, _KATAKANA = "々〆㐀-䶿一-鿿豈-﫿", "ぁ-ゟ", "ァ-ヿㇰ-ㇿｦ-ﾟ"
_JAPANESE = f"{_HAN}{_HIRAGANA}{_KATAKANA}"
# A word with its apostrophes, hyphens and the points of a number; a run of one script; a run of white space;
# or one other character. Joined, the tokens are the text.
_TOKEN = re.compile(
    rf"[{_HAN}]+|[{_HIRAGANA}]+|[{_KATAKANA}]+"
    rf"|(?:(?![{_JAPANESE}])\w)+(?:['’.,:-](?:(?![{_JAPANESE}])\w)+)*"
    r"|\s+|.",
    re.DOTALL,
)


class Part(NamedTuple):
    """A run of a text: in both texts, in the old one only, or in the new one only."""

    kind: Kind
    text: str


def split(text: str) -> list[str]:
    """The words, runs of one script, marks and white space of a text; joined, they are the text."""
    return _TOKEN.findall(text)


class _Change(NamedTuple):
    """What is equal before a change, and the change."""

    equal: str
    deleted: str
    inserted: str

    def join(self, later: "_Change") -> "_Change":
        """Both changes as one, with what is equal between them."""
        return _Change(
            self.equal,
            self.deleted + later.equal + later.deleted,
            self.inserted + later.equal + later.inserted,
        )

    def absorbs(self, later: "_Change") -> bool:
        """Whether both changes are easier to read as one. Between them is white space, or words that are no
        longer than either change and short beside all that was deleted and all that was inserted.
        """
        equal = len(later.equal.strip())
        deleted = len(self.deleted) + len(later.deleted)
        inserted = len(self.inserted) + len(later.inserted)
        if not equal:
            return min(deleted, inserted) > 0
        lengths = [max(len(change.deleted), len(change.inserted)) for change in (self, later)]
        replace = all(change.deleted and change.inserted for change in (self, later))
        return replace and equal <= min(*lengths, deleted // 2, inserted // 2)


def compare(old: str, new: str) -> list[Part]:
    """The parts of two texts in order, of which none is empty.

    The equal and deleted parts are the old text, the equal and inserted ones the new text. A few words that
    are equal in the middle of a replaced sentence count as replaced, since they would only make it hard to
    read.
    """
    changes, rest = _list_changes(split(old), split(new))
    joined: list[_Change] = []
    for change in changes:
        joined.append(change)
        while len(joined) > 1 and joined[-2].absorbs(joined[-1]):
            last = joined.pop()
            joined[-1] = joined[-1].join(last)
    parts: list[Part] = []
    for equal, deleted, inserted in joined:
        # White space at both ends of what was replaced is not a part of the change.
        before = _match_space(deleted, inserted)
        deleted, inserted = deleted[len(before) :], inserted[len(before) :]
        after = _match_space(deleted[::-1], inserted[::-1])[::-1]
        ends = [len(side) - len(after) for side in (deleted, inserted)]
        parts += [Part("equal", equal + before), Part("delete", deleted[: ends[0]])]
        parts += [Part("insert", inserted[: ends[1]]), Part("equal", after)]
    return list(_unite([*parts, Part("equal", rest)]))


def _match_space(one: str, other: str) -> str:
    """The white space with which both texts begin."""
    pairs = enumerate(zip(one, other, strict=False))
    end = next((i for i, (left, right) in pairs if left != right or not left.isspace()), None)
    return one[: min(len(one), len(other)) if end is None else end]


def _unite(parts: Iterable[Part]) -> Iterator[Part]:
    """Neighbours of one kind as one part, without empty ones."""
    for kind, group in groupby((part for part in parts if part.text), lambda part: part.kind):
        yield Part(kind, "".join(part.text for part in group))


def _list_changes(old: Sequence[str], new: Sequence[str]) -> tuple[list[_Change], str]:
    """The changes in order, and what is equal after the last one."""
    # As numbers, since rapidfuzz compares the hashes of texts.
    numbers: dict[str, int] = {}
    sides = [[numbers.setdefault(token, len(numbers)) for token in side] for side in (old, new)]
    changes: list[_Change] = []
    equal = deleted = inserted = ""
    for code in Indel.opcodes(*sides):
        if code.tag == "equal":
            if deleted or inserted:
                changes.append(_Change(equal, deleted, inserted))
                deleted = inserted = ""
            equal = "".join(old[code.src_start : code.src_end])
        else:
            deleted += "".join(old[code.src_start : code.src_end])
            inserted += "".join(new[code.dest_start : code.dest_end])
    if deleted or inserted:
        return [*changes, _Change(equal, deleted, inserted)], ""
    return changes, equal


def mark(old: str, new: str, underlined: Sequence[tuple[int, int]] = ()) -> Markup:
    """Both texts in one, escaped for HTML, with what only the old one has in `<del>` and what only the new
    one has in `<ins>`. `underlined` places of the new text, in order and apart, are in `<u>`, within those.
    """
    if not underlined:
        return Markup("").join(_tag(part) for part in compare(old, new))
    pieces, at = [], 0
    for part in compare(old, new):
        if part.kind == "delete":
            pieces.append(_tag(part))
            continue
        text = _underline(part.text, [(start - at, end - at) for start, end in underlined])
        pieces.append(text if part.kind == "equal" else Markup("<ins>{}</ins>").format(text))
        at += len(part.text)
    return Markup("").join(pieces)


def _underline(text: str, places: Iterable[tuple[int, int]]) -> Markup:
    """The text, escaped, with what it has of these places in `<u>`."""
    pieces, done = [], 0
    for start, end in places:
        start, end = max(start, 0), min(end, len(text))
        if start < end:
            pieces += [escape(text[done:start]), Markup("<u>{}</u>").format(text[start:end])]
            done = end
    return Markup("").join([*pieces, escape(text[done:])])


def _tag(part: Part) -> Markup:
    text = escape(part.text)
    return text if part.kind == "equal" else Markup("<{0}>{1}</{0}>").format(_TAGS[part.kind], text)


def mark_differences(text: str, other: str) -> list[tuple[str, bool]]:
    """Split `text` into parts, each with True if the other text has other words in its place."""
    return [(part.text, part.kind != "equal") for part in compare(text, other) if part.kind != "insert"]


class Compared(Protocol):
    """Two rewrites of a message for one request, such as `models.judge.Pair`."""

    @property
    def message(self) -> str:
        """What a person wrote."""

    @property
    def transform_type(self) -> str:
        """What was requested."""

    @property
    def intensity(self) -> int:
        """How much of it, from 0 to 3."""

    @property
    def first(self) -> str:
        """One rewrite."""

    @property
    def second(self) -> str:
        """The other one."""


def tabulate(rows: Iterable[Compared], first: str, second: str) -> Markup:
    """An HTML table of two rewrites side by side, under the names of their authors.

    What the other rewrite lacks is in `<del>` in the first one and in `<ins>` in the second. The style is in
    the cells, since a notebook has no style sheet of ours.
    """
    cells = Markup('<td style="text-align: left; vertical-align: top; white-space: pre-wrap">{}</td>')
    lines = []
    for row in rows:
        parts = compare(row.first, row.second)
        sides = [
            Markup("").join(_tag(part) for part in parts if part.kind != absent)
            for absent in ("insert", "delete")
        ]
        request = f"{row.transform_type} {row.intensity}"
        lines.append(Markup("").join(map(cells.format, (request, row.message, *sides))))
    head = Markup("").join(map(Markup("<th>{}</th>").format, ("request", "message", first, second)))
    body = Markup("").join(map(Markup("<tr>{}</tr>").format, lines))
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)
