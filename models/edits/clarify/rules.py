"""Proposes edits that clarify an English message: plain words for vague ones, notes of what is not stated.

A note such as "(which one is not stated)" must be true, so each kind of note has a check against the rest of
the message. The vague words are in `clarify.tsv`.
"""

from models.edits.clarify.definites import find_definites
from models.edits.clarify.form import (
    add_marks_and_capitals,
    split_long,
    split_question,
    write_out_short_forms,
)
from models.edits.clarify.message import Message, read_message, touches_protected
from models.edits.clarify.notes import Note, choose_notes, write_inline_notes
from models.edits.clarify.nouns import find_days_without_time, find_quantities, find_unnamed
from models.edits.clarify.pronouns import find_first_pronoun, find_pronouns
from models.edits.clarify.requests import ask_who_can, invite_questions, write_closing_note
from models.edits.clarify.words import replace_vague_words
from models.edits.script import Edit


def gaps(read: Message) -> list[Note]:
    """What an English message refers to and does not explain, the most important gap first."""
    _, notes = replace_vague_words(read)
    kinds = {"pronoun", "which", "what", "who", "person", "thing"}
    notes = [*notes, *find_first_pronoun(read), *find_pronouns(read), *find_unnamed(read, with_known=False)]
    return choose_notes(read, [note for note in notes if note.rule in kinds])


def propose(message: str) -> list[Edit]:
    """All edits that would clarify an English message."""
    read = read_message(message)
    if read is None:
        return []
    plain, notes = replace_vague_words(read)
    notes += find_first_pronoun(read)
    notes += find_quantities(read)
    notes += find_pronouns(read)
    notes += find_unnamed(read)
    notes += find_days_without_time(read)
    notes = choose_notes(read, notes)
    edits = list(write_closing_note(read, notes))
    if 1 <= len(notes) <= 2 and not edits:
        notes = choose_notes(read, [*notes, *find_definites(read)])
    edits += write_inline_notes(notes, has_closing=bool(edits))
    edits += plain
    edits += ask_who_can(read)
    edits += split_question(read)
    edits += split_long(read)
    edits += add_marks_and_capitals(read)
    edits += write_out_short_forms(read, edits)
    if edits:
        edits += invite_questions(read, edits)
    return [edit for edit in edits if not touches_protected(read, edit)]
