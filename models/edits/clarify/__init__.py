"""Clarifies an English message: plain words for vague ones, notes of what is not stated.

`clarify.tsv` has the words, `definites.yaml` the nouns that need no note.

    rules         proposes all edits; the gaps of a message

Reading
    message       a message with its sentences
    sentences     what a sentence does: request, order, closing

Rules
    words         vague words and their plain ones
    spacing       which notes are made, from which intensity on
    notes         notes in brackets, and which of them are made
    pronouns      pronouns without a referent at the start of a message
    nouns         persons, things and quantities that are not named
    definites     nouns behind "the" that the message has not named before
    requests      what a request lacks: who, and by when
    events        what holds until something happens
    form          long sentences, capitals, short forms
"""

from models.edits.clarify.rules import gaps, propose
from models.edits.clarify.spacing import space

__all__ = ["gaps", "propose", "space"]
