"""Harsh statements and questions without a harsh word get milder words from the table `statements.yaml`.

A row has a rule, flags, a pattern of how a sentence starts behind its lead, and the milder words of up to
three levels. In a pattern an apostrophe may be missing, and in the words `{i}` is the writer, `{regret}` a
word of regret that grows with the level and that no other sentence of the message has.

Flags: `tense` for rows that need a harsh message around them, `cues` for those that need a complaint, `asks`
for a request, `?` and `.` for the mark that ends the result.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from models.edits.script import Change
from models.edits.soften.clauses import lead_end
from models.edits.soften.draft import Draft, Sentence
from models.edits.soften.words import CUES, tables, third_form


class _Row(NamedTuple):
    """One row of the table."""

    rule: str
    flags: frozenset[str]
    pattern: re.Pattern[str]
    words: list[str]  # by level; no words where a level changes nothing new


class _Table(NamedTuple):
    """The rows for sentences that end in a question mark, and those for others."""

    questions: list[_Row]
    statements: list[_Row]


@cache
def _table() -> _Table:
    data = yaml.safe_load(Path(__file__).with_name("statements.yaml").read_text(encoding="utf-8"))
    parts: dict[str, str] = data["parts"]

    def compiled(pattern: str) -> re.Pattern[str]:
        for name, part in parts.items():
            pattern = pattern.replace(f"<{name}>", f"(?:{part})")
        return re.compile(pattern.replace("'", "'?"), re.I)

    rows = {
        kind: [
            _Row(rule, frozenset(flags.split()), compiled(pattern), words)
            for rule, flags, pattern, *words in data[kind]
        ]
        for kind in _Table._fields
    }
    return _Table(**rows)


def soften_statement(draft: Draft, sentence: Sentence) -> int | None:
    """A sentence that starts like a row gets its words; returns where their place ends, None for no row."""
    at = lead_end(draft, sentence)
    if at >= sentence.end:
        return None
    text = draft.message[: sentence.end]
    if text[at : at + 2] not in {"I ", "I'"}:
        text = f"{text[:at]}{text[at].lower()}{text[at + 1 :]}"
    is_question = "?" in draft.mark(sentence)
    for row in _table().questions if is_question else _table().statements:
        is_calm = "tense" in row.flags and not draft.is_tense
        if is_calm or ("cues" in row.flags and not CUES.search(draft.message)):
            continue
        match = row.pattern.match(text, at)
        if match and (words := _words(draft, row, match)):
            return match.end() if _add(draft, sentence, row, match, words) else None
    return None


_VERB_FORM = re.compile(r"\{(base|past|participle|third|gerund)\}")


def _words(draft: Draft, row: _Row, match: re.Match[str]) -> list[str]:
    """The words of the row by level, or none if its verb has no known form."""
    words = [re.sub(" {2,}", " ", match.expand(each)) for each in row.words]
    if any("{be}" in each for each in words):
        be = "are" if match.group("what").lower().endswith("s") else "is"
        words = [each.replace("{be}", be) for each in words]
    if match.string[match.end() : match.end() + 1] in {" ", ""}:
        words = [each.rstrip(" ") for each in words]
    if any(_VERB_FORM.search(each) for each in words):
        forms = _forms(match)
        if not forms:
            return []
        words = [_VERB_FORM.sub(lambda form: forms[form.group(1)], each) for each in words]
    words = [each.replace("{i}", draft.i) for each in words]
    if "{regret}" not in words[-1]:
        return words
    # Each level has a word of regret of its own, and the last words go on for later levels.
    words += [words[-1]] * (3 - len(words))
    regrets = _regrets(draft, words[-1])
    return [each.replace("{regret}", regret) for each, regret in zip(words, regrets, strict=True)]


def _forms(match: re.Match[str]) -> dict[str, str]:
    """The forms of the verb of a match, which has it as `base` or as `ing`; none if they are not known."""
    table, groups = tables(), match.groupdict()
    ing, given = groups.get("ing"), groups.get("base")
    verb, *particle = (given or table.base_of_ing.get((ing or "").lower()) or "").lower().split() or [""]
    if verb not in table.past:
        return {}
    gerund = next((form for form, base in table.base_of_ing.items() if base == verb), "")
    forms = {
        "base": verb,
        "past": table.past[verb],
        "participle": table.participle[verb],
        "third": third_form(verb),
        "gerund": gerund,
    }
    return {name: " ".join((form, *particle)) for name, form in forms.items()}


def _regrets(draft: Draft, words: str) -> tuple[str, str, str]:
    """The words of regret of the three levels."""
    if "afraid" in draft.hedges:
        if "unfortunately" in draft.hedges:
            return "", "", ""
        draft.hedges.add("unfortunately")
        return "", "unfortunately, ", "unfortunately, "
    draft.hedges |= {"afraid", "first"}
    that = "" if words.startswith("{regret}that") else "that "
    return "unfortunately, ", f"{draft.i}'m afraid ", f"{draft.i}'m afraid {that}"


def _add(draft: Draft, sentence: Sentence, row: _Row, match: re.Match[str], words: list[str]) -> bool:
    start, end = match.span()
    marks = [draft.end_with(mark, sentence) for mark in "?." if mark in row.flags]
    others, draft.edits = draft.edits, []
    before = ""
    for level, text in enumerate(words, 1):
        if text and text != before:
            change = Change(start, end, draft.cap_like(sentence, start, text))
            draft.add(row.rule, level, change, *marks)
            before = text
    is_added = bool(draft.edits)
    if is_added:
        # Milder words that other rules have found inside go, since the row has its own.
        others = [edit for edit in others if edit.end <= start or edit.start >= end]
        draft.requests += "asks" in row.flags
    draft.edits = others + draft.edits
    return is_added
