"""Parts of a message with decisions that a test makes in place of the tagger."""

from collections.abc import Sequence

from data.records import Need, Role
from models.edits import parts
from models.edits.parts import Part
from models.edits.segments import Segment


def decided(message: str, *labels: tuple[Role, Need, int]) -> list[Part]:
    """The parts of a message with their role, kind of requirement and importance, one label a segment."""

    def decide(split: Sequence[Segment]) -> Sequence[tuple[Role, Need, int]]:
        assert len(split) == len(labels), [message[each.start : each.end] for each in split]
        return labels

    return parts.divide(message, decide)
