"""Ends of clauses that a summary loses, and those that it keeps."""

from collections.abc import Sequence

import pytest

from models.edits import script
from models.edits.segments import Segment
from models.edits.summary import tails


def light(places: Sequence[Segment]) -> list[float]:
    return [0.05] * len(places)


def heavy(places: Sequence[Segment]) -> list[float]:
    return [0.95] * len(places)


def cut(message: str) -> str:
    return script.apply(message, script.select(tails.propose(message, light), 3))


@pytest.mark.parametrize(
    ("message", "shorter"),
    [
        (
            "They can't come on the 6th because the van is booked in Ghent, so it would be the 8th.",
            "They can't come on the 6th, so it would be the 8th.",
        ),
        (
            "Butter has gone up to 7.10 a kilo, which is far more than in spring. We lose on croissants.",
            "Butter has gone up to 7.10 a kilo. We lose on croissants.",
        ),
        (
            "We had 27 customers at the machine and some of the crowd were rude to us. Please ring all.",
            "We had 27 customers at the machine. Please ring all.",
        ),
        (
            "The audience started chatting, somebody even got a phone out. We must cut the scene change.",
            "The audience started chatting. We must cut the scene change.",
        ),
    ],
)
def test_a_light_end_of_a_clause_goes(message: str, shorter: str) -> None:
    assert cut(message) == shorter


def test_an_end_that_every_summary_keeps_stays() -> None:
    message = "The van is late because the bridge was shut. Please wait."
    assert tails.propose(message, heavy) == []


@pytest.mark.parametrize(
    "message",
    [
        # an answer
        "I did ask whether they could finish a room early, the answer was no. Please ring all.",
        # a condition
        "The map loads slowly, which is fine if nobody complains. Please test it.",
        # harm
        "The brigade was here quickly, nobody was hurt in the hall. Please stay away.",
        # the next sentence speaks of it
        "The heating failed and the engineer found a cracked pump. A new one is ordered.",
        "Eleven got lost, which comes from the rope in the harbour. I think rope and map must be fixed.",
        # the reason is the point
        "The level is hard mainly because the path was hidden by fog. Please move the light.",
        # a contrast
        "The supplier came and adjusted the settings but we saw no change. Please call again.",
        # a clause in the middle of another one
        "Some people who had stayed away because of old debts came back. Please welcome all.",
        # a request
        "Please phone every client, which was agreed in the meeting. Thanks.",
        # how an attempt went
        "We tried to find a replacement and the agency could not help. Your place stays valid.",
        # "as soon as"
        "The port is full. I confirm the slot as soon as I have the list. Thanks.",
        # a clause that has not begun
        "Now I have to explain because Yusuf, someone wrote to the customer. Never write first.",
        # the place of a thing
        "The work is done and the plan hangs on the notice board. Please read.",
    ],
)
def test_an_end_that_a_reader_needs_stays(message: str) -> None:
    assert cut(message) == message
