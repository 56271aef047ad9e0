"""Proposes edits that tell an outsider what an English message leaves out."""

from models.edits.background.frame import add_capitals, offer_answers
from models.edits.background.notes import note_reasons, write_topic_notes
from models.edits.background.terms import note_references, note_terms
from models.edits.background.topic import Topic, find_topic
from models.edits.clarify.message import Message, read_message, touches_protected
from models.edits.script import Edit, is_sure


def _topic_notes(read: Message, topic: Topic | None, references: list[Edit]) -> list[Edit]:
    """The notes of the main sentence. The role of a person is a side point: no note but behind another."""
    if topic is None or (topic.is_person and not references):
        return []
    lowest = 2 if topic.is_person else 1
    return [edit for edit in write_topic_notes(read, topic) if edit.level >= lowest]


def propose(message: str) -> list[Edit]:
    """All edits that would tell an outsider what an English message leaves out."""
    read = read_message(message)
    if read is None:
        return []
    topic = find_topic(read)
    references = list(note_references(read, topic is not None and not topic.is_person))
    edits = [*_topic_notes(read, topic, references), *references]
    edits += note_terms(read, len(edits))
    if topic is None or topic.is_person:
        edits = [*note_reasons(read), *edits]
    edits += offer_answers(read, [edit for edit in edits if is_sure(edit)])
    edits += add_capitals(read)
    return [edit for edit in edits if not touches_protected(read, edit)]
