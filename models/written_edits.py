"""An edit script as text, which a language model writes: one edit a line, decoded so that it always applies.

    python -m models.sft configs/sft.yaml form=script masks=false \\
        seed_folder=data/seed/edits out=artifacts/scripts
    python -m models.written_edits configs/written_edits.yaml

It was a candidate for the default form and lost (log/learning.md): its edits apply and keep every fact, and
most say something wrong. It stays as a measurement; no version is served in this form.

    - broke main => broke the main branch
    - , like everyone else =>

`find` is a span of the message that occurs in it only once, and edits go from left to right. A replacement
that is empty deletes; a neighbouring word that both sides have makes an insertion. `\\n` is a line break.

`Finder` and `Vocabulary` say which tokens may come next while a model writes, and `refuses` which finished
edit must go.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from tqdm import tqdm

import configs
from data import corpus
from models import facts, languages
from models.edits.script import Change

MOST_EDITS = 8
MOST_TOKENS = 24  # of a replacement
_MOST_CHARACTERS = 100  # of a replacement in training data, so that nearly all have at most MOST_TOKENS
_MOST_WORDS = 40  # of a find
_LONGEST = 1.5  # a script in training data, in lengths of the rewrite
_GAP = 2  # edits with at most so many words between them become one

_BULLET, _ARROW = "- ", " =>"
# A word or one mark, with the white space before it: joined, they are the text.
_WORD = re.compile(r"\s*(?:\w+(?:['’]\w+)*|[^\w\s])")


class Line(NamedTuple):
    """One edit of a script, as written."""

    find: str
    replacement: str


class _Span(NamedTuple):
    """Replaces the words `start` to `end` of a message by the words `first` to `last` of its rewrite."""

    start: int
    end: int
    first: int
    last: int


def to_script(message: str, rewrite: str) -> str | None:
    """The script that makes the rewrite of the message; empty for a copy.

    None when there is no such script, when it is no shorter way of writing the rewrite, or when decoding
    would refuse one of its edits.
    """
    message, rewrite = message.strip(), rewrite.strip()
    old, new = _WORD.findall(message), _WORD.findall(rewrite)
    if _ARROW in message or "".join(old) != message or "".join(new) != rewrite:
        return None
    spans = _merge(
        _Span(*places)
        for tag, *places in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    )
    lines: list[Line] = []
    bound = 0  # where the edit before it ends
    for i, span in enumerate(spans):
        stop = spans[i + 1].start if i + 1 < len(spans) else len(old)
        found = _write(message, old, new, span, bound, stop)
        if found is None:
            return None
        line, bound = found
        lines.append(line)
    text = "\n".join(map(_render, lines))
    if len(text) > _LONGEST * len(rewrite) or len(lines) > MOST_EDITS:
        return None
    changes = read(message, text)
    if changes is None or _splice(message, changes) != rewrite:
        return None
    if any(len(change.text) > _MOST_CHARACTERS or refuses(message, change) for change in changes):
        return None
    return text


def apply(message: str, script: str) -> str:
    """The message with the edits of a script; ValueError when one of them does not apply."""
    message = message.strip()
    changes = read(message, script)
    if changes is None:
        raise ValueError(f"the script does not apply to the message: {script!r}")
    return _splice(message, changes).strip()


def read(message: str, script: str) -> list[Change] | None:
    """The changes of a script; None when a line is no edit, or its find is not there once and in order."""
    changes: list[Change] = []
    for text in script.split("\n") if script else ():
        line = _parse(text)
        change = line and locate(message, line)
        if change is None or (changes and change.start < changes[-1].end):
            return None
        changes.append(change)
    return changes


def locate(message: str, line: Line) -> Change | None:
    """What an edit changes; None when the message does not have its find exactly once.

    White space before the find goes with a deletion, and spaces before it go with a line break.
    """
    start = message.find(line.find)
    if start < 0 or not line.find or message.find(line.find, start + 1) >= 0:
        return None
    end = start + len(line.find)
    if not line.replacement:
        while start and message[start - 1].isspace():
            start -= 1
        while not start and end < len(message) and message[end].isspace():
            end += 1
    elif line.replacement.startswith("\n"):
        while start and message[start - 1] in " \t":
            start -= 1
    return Change(start, end, line.replacement)


def _merge(spans: Iterable[_Span]) -> list[_Span]:
    """Spans with few words between them as one: "why is this" is one edit, not three."""
    merged: list[_Span] = []
    for span in spans:
        if merged and span.start - merged[-1].end <= _GAP:
            merged[-1] = _Span(merged[-1].start, span.end, merged[-1].first, span.last)
        else:
            merged.append(span)
    return merged


def _write(
    message: str, old: Sequence[str], new: Sequence[str], span: _Span, bound: int, stop: int
) -> tuple[Line, int] | None:
    """An edit that makes the span's change, with as few neighbours as possible, and where it ends in words.

    The neighbours come from the words between `bound` and `stop`.
    """
    before = span.start - bound
    after = stop - span.end
    for width in range(before + after + 1):
        # A note goes behind its word, a line break before it.
        leads = span.first < span.last and new[span.first].startswith("\n")
        lefts = range(min(width, before), max(0, width - after) - 1, -1)
        for left in reversed(lefts) if leads else lefts:
            start, end = span.start - left, span.end + width - left
            if end - start > _MOST_WORDS:
                return None
            find = "".join(old[start:end])
            parts = [*old[start : span.start], *new[span.first : span.last], *old[span.end : end]]
            replacement = "".join(parts)
            if not find or "\n" in find.strip():
                continue
            line = Line(find.strip(), replacement.strip(" \t").rstrip())
            # The first words of the two sides differ in the white space that is not written.
            if not _same_lead(find, replacement) and start:
                continue
            change = locate(message, line)
            if change is not None:
                return line, end
    return None


def _same_lead(find: str, replacement: str) -> bool:
    lead = find[: len(find) - len(find.lstrip())]
    if not replacement:
        return True  # a deletion takes its white space
    other = replacement[: len(replacement) - len(replacement.lstrip())]
    return lead == other or ("\n" not in lead and other.startswith("\n"))


def _render(line: Line) -> str:
    replacement = line.replacement.replace("\\", "\\\\").replace("\n", "\\n ")
    return _BULLET + line.find + _ARROW + (f" {replacement.rstrip()}" if replacement else "")


def _parse(text: str) -> Line | None:
    find, arrow, replacement = text.removeprefix(_BULLET).partition(_ARROW)
    if not arrow or not text.startswith(_BULLET) or (replacement and not replacement.startswith(" ")):
        return None
    return Line(find, _unescape(replacement[1:]))


def _unescape(text: str) -> str:
    return re.sub(r"\\(n ?|\\)", lambda match: "\\" if match[1] == "\\" else "\n", text)


def _splice(message: str, changes: Sequence[Change]) -> str:
    parts, end = [], 0
    for change in changes:
        parts += [message[end : change.start], change.text]
        end = change.end
    return "".join([*parts, message[end:]])


# Words in the middle of a sentence that have a capital but are no name.
_CAPITAL = re.compile(r"(?<=[a-z,;] )(?!I\b)[A-Z]\w*")


def refuses(message: str, change: Change) -> bool:
    """Whether an edit loses, changes, moves or adds a fact or a digit, adds a capitalised word, or leaves a
    seam: a word twice, or a capital that does not fit where it begins or ends.
    """
    found = message[change.start : change.end]
    own = [
        message[start:end]
        for _, start, end in facts.spans(message)
        if start < change.end and change.start < end
    ]
    if "\ufffd" in change.text or facts.lost(own, change.text) or facts.missing(change.text, found):
        return True
    edited = _splice(message, [change])
    if facts.missing(message, edited) or facts.missing(edited, message):
        return True
    if any(digit not in found for digit in re.findall(r"\d", change.text)):
        return True
    known = found.casefold()
    if any(word.casefold() not in known for word in _CAPITAL.findall(change.text)):
        return True
    return found == change.text or _has_seam(message, change)


_NOTE = re.compile(r"\([^()]*\)")
_LOGIC = re.compile(
    r"(?P<no>\b(?:not|never|no|nobody|nothing|none|cannot|without)\b|n['’]t\b)"
    r"|\b(?:unless|until|till|if|before|after|except|only|because|since)\b|\?",
    re.IGNORECASE,
)


def loses_logic(message: str, change: Change) -> bool:
    """Whether an edit has fewer negations, conditions or questions than what it replaces.

    Notes in brackets do not count. People do write such edits ("Did you even read it?" becomes a guess), but
    a small model that drops a "not" nearly always drops its meaning.
    """
    return bool(_logic(message[change.start : change.end]) - _logic(change.text))


def _logic(text: str) -> Counter[str]:
    matches = _LOGIC.finditer(_NOTE.sub("", text))
    return Counter("no" if match["no"] else match[0].lower() for match in matches)


def _has_seam(message: str, change: Change) -> bool:
    before, after = message[: change.start], message[change.end :]
    found, text = message[change.start : change.end], change.text
    if _doubles(before, text) or _doubles(text, after):
        return True
    # In the middle of a sentence no word gets a capital, unless it is its own.
    inside = re.search(r"[a-z,;] ?$", before)
    if inside and text[:1].isupper() and text.split(maxsplit=1)[0].rstrip(".,:") not in found:
        return True
    # A sentence that an edit ends is not followed by a small letter, and one that it joins by no new capital.
    ends, ended = (bool(re.search(r"[.!?]$", part)) for part in (text, found))
    return ends and not ended and bool(re.match(r" [a-z]", after))


def _doubles(left: str, right: str) -> bool:
    """Whether the last word of the left text is the first of the right one."""
    last, first = re.search(r"\w+\W?$", left[-60:]), re.match(r"\s*\w+", right)
    return bool(last and first and last[0].strip().casefold() == first[0].strip().casefold())


def _byte_letters() -> dict[int, str]:
    """The letter that a byte-level BPE vocabulary writes for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a byte-level BPE: `ids` by their letters, and what the grammar needs to know of them."""

    ids: Mapping[str, int]
    stop: int
    newline: int
    arrow: str  # in letters
    barred: tuple[int, ...]  # not in a replacement
    digits: tuple[int, ...]  # in a replacement only if its find has a digit
    inner: tuple[int, ...]  # not at the start of a replacement, since a space belongs there
    letters: Mapping[int, str]

    @classmethod
    def of(cls, tokenizer: Any, stop: str) -> "Vocabulary":
        """The vocabulary of a transformers tokenizer; `stop` is the token that ends an answer."""
        ids: dict[str, int] = tokenizer.get_vocab()
        special = set(tokenizer.added_tokens_decoder) | set(tokenizer.all_special_ids)
        letters = _byte_letters()
        newline, breaks, numbers = ids[letters[10]], {letters[10], letters[13]}, set("0123456789")
        return cls(
            ids={text: i for text, i in ids.items() if i not in special},
            stop=ids[stop],
            newline=newline,
            arrow="".join(letters[byte] for byte in _ARROW.encode()),
            barred=tuple(
                i
                for text, i in ids.items()
                if i not in (ids[stop], newline) and (i in special or breaks & set(text))
            ),
            digits=tuple(i for text, i in ids.items() if numbers & set(text)),
            inner=tuple(
                i
                for text, i in ids.items()
                if not text.startswith(letters[32]) and i not in (ids[stop], newline)
            ),
            letters=letters,
        )

    def spell(self, text: str) -> str:
        """A text in the letters of the vocabulary."""
        return "".join(self.letters[byte] for byte in text.encode())

    def read(self, tokens: Iterable[int]) -> str:
        """The text of tokens; a character that is not complete becomes U+FFFD."""
        names = {i: text for text, i in self.ids.items()}
        bytes_ = {letter: byte for byte, letter in self.letters.items()}
        return bytes(bytes_[letter] for token in tokens for letter in names[token]).decode(errors="replace")


@dataclass(frozen=True)
class _Place:
    """A word at which a find may start: what may follow from there, and the lengths at which it may end."""

    start: int
    text: str
    ends: frozenset[int]


class Finder:
    """The finds that a message has: spans of whole words, within a line, that occur only once."""

    def __init__(self, message: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._longest = max(map(len, vocabulary.ids), default=0)
        self._places = list(self._read(message))

    def _read(self, message: str) -> Iterator[_Place]:
        words = [
            (match.end() - len(match.group().lstrip()), match.end()) for match in _WORD.finditer(message)
        ]
        for i, (start, _) in enumerate(words):
            ends: list[int] = []
            for _, end in words[i : i + _MOST_WORDS]:
                find = message[start:end]
                if "\n" in find or _ARROW in f" {find}":
                    break
                if ends or message.find(find) == start == message.rfind(find):
                    ends.append(end)
            if ends:
                text = self._vocabulary.spell(" " + message[start : ends[-1]])
                lengths = frozenset(len(self._vocabulary.spell(" " + message[start:end])) for end in ends)
                yield _Place(start, text, lengths)

    def places(self, start: int) -> list[_Place]:
        """The places from a character of the message on."""
        return [place for place in self._places if place.start >= start]

    def following(self, places: Sequence[_Place], written: str) -> dict[int, str]:
        """The tokens that may follow the begin of a find, or of the arrow behind one, with their letters."""
        ids = self._vocabulary.ids
        texts = {text for place in places for text in self._continue(place, written)}
        return {ids[text]: text for text in texts if text in ids}

    def _continue(self, place: _Place, written: str) -> Iterator[str]:
        length, arrow = len(written), self._vocabulary.arrow
        if place.text.startswith(written):
            for end in range(length + 1, min(length + self._longest, len(place.text)) + 1):
                yield place.text[length:end]
        for end in place.ends:
            # The find ends there, and of the arrow a part may be written.
            if end <= length < end + len(arrow) and (place.text[:end] + arrow).startswith(written):
                for part in range(length - end + 1, len(arrow) + 1):
                    yield arrow[length - end : part]


class Written(NamedTuple):
    """A script that a model wrote, its rewrite, the score of each edit, and how many others were refused."""

    script: str
    rewrite: str
    scores: tuple[float, ...] = ()
    refused: int = 0


class _Answer:
    """A model's answer while it is written: the log-probabilities of the next token, and a way back."""

    def __init__(self, model: Any, prompt: Sequence[int]) -> None:
        from transformers import DynamicCache

        self._model, self._cache = model, DynamicCache()
        self.feed(prompt)

    def feed(self, tokens: Sequence[int]) -> None:
        """Write tokens."""
        import torch

        output = self._model(input_ids=torch.tensor([list(tokens)]), cache=self._cache, logits_to_keep=1)
        self.scores = output.logits[0, -1].float().log_softmax(dim=-1)  # (vocabulary,), in nats

    def mark(self) -> tuple[int, Any]:
        """Where the answer is now."""
        return self._cache.get_seq_length(), self.scores

    def undo(self, mark: tuple[int, Any]) -> None:
        """Go back to a mark."""
        length, self.scores = mark
        if extra := self._cache.get_seq_length() - length:
            self._cache.crop(-extra)


class _Draft(NamedTuple):
    """A line that a model wrote; `score` is the mean log-probability of its tokens, `complete` says that the
    replacement ended, and `last` that the script did.
    """

    text: str
    score: float
    complete: bool
    last: bool


def _write_line(answer: _Answer, vocabulary: Vocabulary, finder: Finder, start: int) -> _Draft:
    """The likeliest line token by token, with a find from the character `start` of the message on."""
    places = finder.places(start)
    tokens, total, written = [vocabulary.ids["-"]], 0.0, ""
    answer.feed(tokens)

    def take(token: int) -> None:
        nonlocal total
        total += float(answer.scores[token])
        tokens.append(token)
        answer.feed([token])

    while not written.endswith(vocabulary.arrow):
        allowed = finder.following(places, written)
        token = max(sorted(allowed), key=lambda i: float(answer.scores[i]))
        written += allowed[token]
        take(token)
    barred = (*vocabulary.barred, *(() if re.search(r"\d", written) else vocabulary.digits))
    ends = (vocabulary.newline, vocabulary.stop)
    for i in range(MOST_TOKENS + 1):
        never = answer.scores.new_tensor(barred if i else barred + vocabulary.inner).long()
        token = int(answer.scores.index_fill(0, never, -1e9).argmax())
        if token in ends:
            total += float(answer.scores[token])
            break
        take(token)
    text = vocabulary.read(tokens)
    return _Draft(text, total / len(tokens), token in ends, token == vocabulary.stop)


def write(
    model: Any, vocabulary: Vocabulary, prompt: Sequence[int], message: str, least: float = -99.0
) -> Written:
    """Greedily write the script of a message with a transformers model.

    An edit that `refuses` refuses, that loses logic, or whose score is below `least` is undone, and the next
    one starts behind its find.
    """
    import torch

    message = message.strip()
    finder = Finder(message, vocabulary)
    lines: list[str] = []
    changes: list[Change] = []
    scores: list[float] = []
    start, refused = 0, 0
    with torch.inference_mode():
        answer = _Answer(model, prompt)
        if answer.scores[vocabulary.stop] > answer.scores[vocabulary.ids["-"]]:
            return Written("", message)
        while len(lines) < MOST_EDITS and refused < MOST_EDITS and finder.places(start):
            mark = answer.mark()
            draft = _write_line(answer, vocabulary, finder, start)
            line = _parse(draft.text)
            change = line and locate(message, line)
            assert line is not None and change is not None, (message, draft)  # noqa: PT018
            accepted = (
                draft.complete
                and draft.score >= least
                and not refuses(message, change)
                and not loses_logic(message, change)
                # A fact that stands twice could go with two edits.
                and not facts.missing(message, _splice(message, [*changes, change]))
            )
            start = change.end
            if accepted:
                lines.append(draft.text.rstrip())
                changes.append(change)
                scores.append(draft.score)
            else:
                refused += 1
                answer.undo(mark)
            if draft.last:
                break
            if accepted:
                answer.feed([vocabulary.newline])
    script = "\n".join(lines)
    return Written(script, apply(message, script), tuple(scores), refused)


class WrittenConfig(configs.StageConfig):
    """The adapter, the messages to rewrite, and the file of their rewrites."""

    base: str = "smollm2-135m"
    adapter: Path = Path("artifacts/scripts")
    messages: Path = corpus.SEED / "ordinary" / "dev"
    least_score: Annotated[
        float, Field(description="of an edit: its mean log-probability, in nats a token")
    ] = -1.0
    out: Path = Path("artifacts/scripts/rewrites.jsonl")


def main(config: WrittenConfig) -> Path:
    """Write a script and a rewrite for each English message and its request, one a line; return the file.

    A run that is started again goes on behind the last line. Messages in other languages stay as they are.
    """
    from models import examples, loading

    base = loading.base_folder(config.base)
    model = loading.load_model(base, config.adapter).eval()
    tokens = examples.load_tokens(base)
    vocabulary = Vocabulary.of(tokens.tokenizer, tokens.frame.stop)
    rows = [
        original.model_copy(update={"rewrites": (rewrite,)})
        for original in corpus.read(config.messages)
        for rewrite in original.rewrites
    ]
    config.out.parent.mkdir(parents=True, exist_ok=True)
    done = len(config.out.read_text(encoding="utf-8").splitlines()) if config.out.exists() else 0
    with config.out.open("a", encoding="utf-8") as file:
        for original in tqdm(rows[done:], desc="writing scripts", initial=done, total=len(rows)):
            [request] = original.rewrites
            written = Written("", original.text)
            if languages.identify(original.text) == "en":
                prompt = tokens.prompt(request.model_copy(update={"text": original.text}))
                written = write(model, vocabulary, prompt, original.text, config.least_score)
            line = {"message": original.id, "rewrite": written.rewrite, "script": written.script}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
    return config.out


if __name__ == "__main__":
    print(f"wrote {main(configs.from_command_line(WrittenConfig, sys.argv[1:]))}")
