"""Parts of a message with decisions that a test makes in place of the tagger."""

from collections.abc import Sequence

from data.records import Need, Role
from models.edits import parts
from models.edits.parts import Part
from models.edits.segments import Segment


def decided(message: str, *labels: tuple[Role, Need]) -> list[Part]:
    """The parts of a message with their role and kind of requirement, one label a segment."""

    def decide(split: Sequence[Segment]) -> Sequence[tuple[Role, Need]]:
        assert len(split) == len(labels), [message[each.start : each.end] for each in split]
        return labels

    return parts.divide(message, decide)
