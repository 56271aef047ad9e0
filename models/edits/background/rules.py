"""Proposes edits that tell an outsider what an English message leaves out."""

from models.edits.background.frame import add_capitals, offer_answers
from models.edits.background.notes import write_topic_notes
from models.edits.background.terms import note_references, note_terms
from models.edits.background.topic import find_topic
from models.edits.clarify.message import read_message, touches_protected
from models.edits.script import Edit


def propose(message: str) -> list[Edit]:
    """All edits that would tell an outsider what an English message leaves out."""
    read = read_message(message)
    if read is None:
        return []
    topic = find_topic(read)
    edits = list(write_topic_notes(read, topic)) if topic else []
    edits += note_references(read, topic is not None)
    edits += note_terms(read, len(edits))
    edits += offer_answers(read, edits)
    edits += add_capitals(read)
    return [edit for edit in edits if not touches_protected(read, edit)]
