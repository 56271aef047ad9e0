"""Proposes edits that shorten English sentences: fillers, asides, wordy phrases and clauses that say nothing.

Which parts of a message go is decided elsewhere (`models.edits.summary`). The phrases are in `shorten.yaml`,
which explains how they are written; the rules that need more than a phrase have modules of their own. No edit
deletes a fact, a number word or a quotation.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from models import facts
from models.edits.script import Change, Edit
from models.edits.shorten.asides import drop_asides, drop_brackets, drop_circumstances, drop_stories
from models.edits.shorten.clauses import (
    drop_announcements,
    drop_concessions,
    drop_preambles,
    drop_reasons,
    drop_then,
    merge_reasons,
    replace_links,
)
from models.edits.shorten.contractions import contract
from models.edits.shorten.details import drop_apologies, drop_details, drop_efforts, name_subjects
from models.edits.shorten.notes import drop_articles, drop_copulas, drop_there_was
from models.edits.shorten.phrases import apply_phrases
from models.edits.shorten.remarks import drop_comments, drop_comparisons, drop_consolations, drop_praise
from models.edits.shorten.reports import drop_opinions, drop_visits, title_proposals
from models.edits.shorten.requests import ask_directly, drop_please, order_if_you_could, order_with_please
from models.edits.shorten.text import REACH
from models.edits.shorten.topics import title_topics
from models.edits.shorten.verbs import (
    drop_second_subjects,
    drop_verbs,
    reduce_passives,
    shorten_infinitives,
    shorten_perfects,
)
from models.edits.shorten.words import (
    contract_going_to,
    drop_on_before_days,
    drop_repeated_words,
    drop_smileys,
    drop_that,
    drop_there_is,
    reduce_relative_clauses,
    replace_calls,
    shorten_noun_phrases,
    straighten_clefts,
)

# The kinds of edits: of words, at the start of a clause, as an aside, of requests, and of whole clauses.
RULES = frozenset(
    f"shorten.{name}"
    for name in (
        *("wordy", "shorter", "contraction", "light_verb", "degree", "small_word", "filler_word", "just"),
        *("repeat", "that", "which_is", "there_is", "going_to", "cleft", "noun_phrase", "on_day"),
        *("vague_tail", "smiley"),
        *("filler", "so_start", "announce", "announce_strong", "preamble", "unfortunately", "link_first"),
        *("aside", "comment", "courtesy", "tag", "brackets", "which_clause", "circumstance", "story"),
        *("ask", "ask_question", "could_you", "please"),
        *(
            "describes",
            "follows",
            "modifier",
            "phrase_unsure",
            "example",
            "sorry",
            "effort",
            "past_time",
            "spoke",
            "thought",
        ),
        *("topic", "note", "verb", "evaluation", "comparison", "good_news"),
        *("so", "merge_because", "reason", "reason_of_plan", "reason_of_event", "purpose", "i_know_but"),
    )
)
_QUOTED = re.compile(r"[\"“][^\"“”\n]{1,300}[\"”]|`[^`\n]{1,300}`")
# Each proposes edits of a message.
_RULES: tuple[Callable[[str], Iterator[Edit]], ...] = (
    apply_phrases,
    ask_directly,
    order_with_please,
    order_if_you_could,
    reduce_relative_clauses,
    drop_there_is,
    contract_going_to,
    drop_that,
    merge_reasons,
    drop_repeated_words,
    drop_brackets,
    drop_asides,
    drop_reasons,
    drop_concessions,
    shorten_noun_phrases,
    straighten_clefts,
    replace_links,
    drop_on_before_days,
    drop_circumstances,
    drop_then,
    drop_stories,
    drop_preambles,
    drop_please,
    drop_announcements,
    replace_calls,
    drop_smileys,
    drop_details,
    drop_apologies,
    drop_efforts,
    name_subjects,
    contract,
    title_topics,
    title_proposals,
    drop_visits,
    drop_opinions,
    drop_comments,
    drop_comparisons,
    drop_consolations,
    drop_praise,
    drop_there_was,
    drop_copulas,
    drop_articles,
    shorten_perfects,
    drop_second_subjects,
    drop_verbs,
    reduce_passives,
    shorten_infinitives,
)


def propose(message: str) -> list[Edit]:
    """All edits that shorten a message, of levels 1 to 3."""
    kept = _places_to_keep(message)
    edits = [edit for rule in _RULES for edit in rule(message) if not _touches(edit, kept)]
    edits = list(dict.fromkeys(edits))
    edits += _join(message, edits)
    return list(dict.fromkeys([*edits, *_raise_levels(edits)]))


def _places_to_keep(message: str) -> bytearray:
    """The places of facts and quotations, which no edit touches: a byte for each character."""
    kept = bytearray(len(message))
    spans = [(span.start, span.end) for span in facts.spans(message)]
    for start, end in (*spans, *(match.span() for match in _QUOTED.finditer(message))):
        kept[start:end] = b"\1" * (end - start)
    return kept


def _touches(edit: Edit, kept: bytearray) -> bool:
    return any(kept.find(1, change.start, change.end) >= 0 for change in edit.changes)


def _join(message: str, edits: Sequence[Edit]) -> list[Edit]:
    """An edit that gives the next word its capital, together with each edit that starts at this word."""
    openings: dict[int, list[Edit]] = {}
    for edit in edits:
        last = edit.changes[-1]
        if len(last.text) == 1 and last.text.isupper():
            openings.setdefault(last.end - 1, []).append(edit)
    result = []
    for edit in edits:
        first = edit.changes[0]
        for opening in openings.get(first.start, ()):
            if opening is edit or first.end == first.start:
                continue
            text = first.text or message[first.end : first.end + 1]
            end = first.end if first.text else first.end + len(text)
            change = Change(opening.changes[-1].start, end, text[:1].upper() + text[1:])
            if edit.changes[1:] and edit.changes[1].start < change.end:
                continue
            rule = opening.rule if opening.level > edit.level else edit.rule
            level = max(opening.level, edit.level)
            result.append(Edit(rule, level, (*opening.changes[:-1], change, *edit.changes[1:])))
    return result


def _raise_levels(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that also stand at a higher level, because a smaller edit of that level lies inside them.

    Otherwise the smaller edit would be taken, and a higher intensity would change less.
    """
    ordered = sorted(edits, key=lambda edit: edit.start)
    starts = [edit.start for edit in ordered]
    result = []
    for outer in edits:
        size = _size(outer)
        near = ordered[bisect_left(starts, outer.start - REACH) : bisect_left(starts, outer.end)]
        levels = {
            edit.level
            for edit in near
            if edit.level > outer.level
            and _size(edit) < size
            and any(a.start < b.end and b.start < a.end for a in edit.changes for b in outer.changes)
        }
        result += [Edit(outer.rule, level, outer.changes) for level in levels]
    return result


def _size(edit: Edit) -> int:
    return sum(change.end - change.start for change in edit.changes)
