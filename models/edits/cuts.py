"""The cuts of a message: the smallest runs of words that a summary, or a softer message, keeps or loses."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from models.edits import segments
from models.edits.parts import Part
from models.edits.segments import Segment

# Where a part is cut again: after a comma, at a dash or a bracket, before a subordinate clause.
_JOINT = re.compile(
    r"[,;:]\s+|\s+[-–—]+\s+|\s+(?=\()|(?<=\))\s+"
    r"|\s+(?=(?:because|since|as\ soon\ as|although|though|which|so\ that|after|before|while|when|if|unless"
    r"|until)\s)"
)


def split(message: str) -> list[Segment]:
    """The cuts of a message, in order."""
    return [
        segment.cut(segment.start + start, segment.start + end)
        for segment in segments.split(message)
        for start, end in _places(message[segment.start : segment.end])
    ]


def divide(parts: Sequence[Part]) -> list[Part]:
    """The cuts of a message, each with what its part was decided to be."""
    result = []
    for part in parts:
        end = 0
        for start, stop in _places(part.text):
            piece = replace(part, text=part.text[start:stop])
            if start > 0:
                joint = part.text[end:start]
                piece = replace(piece, joint=joint, mark="", opens_sentence=False, opens_line=False)
            result.append(piece)
            end = stop
    return result


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where the cuts of a part start and end; a comma belongs to the words before it."""
    start = 0
    for match in _JOINT.finditer(text):
        if match.start() > start:
            yield start, match.start() + (text[match.start()] in ",;:")
        start = match.end()
    if start < len(text):
        yield start, len(text)
