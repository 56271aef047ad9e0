"""Topics: which first sentences become titles."""

import pytest

from models.edits import shorten
from tests.edits import rewritten

# A title needs a message that has room for it.
REST = (
    " Forty percent are the wrong size, the lamps came back damaged, and the sleeves cost 11 cents more each."
    " Can I order two pallets before the sale begins? The supplier needs a few days and closes in summer."
)


def written(message: str, intensity: int) -> str:
    return rewritten(message, shorten.propose(message), intensity)


@pytest.mark.parametrize(
    ("opening", "title"),
    [
        ("We went through last month's returns.", "Last month's returns:"),
        ("We've reviewed the lease for unit 7.", "Lease for unit 7:"),
        ("Quick write up of this morning's outage.", "This morning's outage:"),
        ("Update on the winter shelter.", "Winter shelter:"),
        ("The annual survey is done.", "Annual survey:"),
        ("Soil results are back from the lab.", "Soil results from the lab:"),
        ("I am writing about the storm claims.", "Storm claims:"),
        ("The landlord came by with the new lease.", "New lease from the landlord:"),
        ("Looked at why so many people ring twice.", "Why so many people ring twice:"),
    ],
)
def test_a_first_sentence_that_only_announces_becomes_a_title(opening: str, title: str) -> None:
    assert written(opening + REST, 1) == title + REST


@pytest.mark.parametrize(
    "opening",
    [
        "We went through it.",
        "We looked at the lease and it is wrong.",
        "We haven't reviewed the lease.",
        "The report is late.",
        "I visited you.",
    ],
)
def test_a_first_sentence_that_says_something_is_no_title(opening: str) -> None:
    assert written(opening + REST, 1).startswith(opening[:9])
    assert ":" not in written(opening + REST, 1)


def test_a_talk_whose_partner_goes_on_becomes_a_title() -> None:
    message = "I had a long call with the courier about the two busts. They can't come on the 6th." + REST
    assert written(message, 1).startswith("The courier on the two busts: They can't come")
