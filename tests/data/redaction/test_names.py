"""Names of people: found by lists and by what stands around them, and words left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.redaction import names

EXPECTED = [
    ("Priya merged it, so tell Marek.", ["Priya", "Marek"]),
    ("hey anna, thx, ask jürgen", ["anna", "jürgen"]),
    ("Will said no. Will you ask Will?", ["Will", "Will"]),
    ("Mark the day: Mark Okafor is back.", ["Mark", "Okafor"]),
    ("May I ask May Okafor before May? By 3 May and Anna?", ["May", "Okafor", "Anna"]),
    ("Grace, could you? Hope this helps, Hope.", ["Grace", "Hope"]),
    ("Destiny, Chase and Priya are in.", ["Destiny", "Chase", "Priya"]),
    ("MARIA LOPEZ is out, HR and QA are in.", ["MARIA", "LOPEZ"]),
    ("Hi Xandriel, see Dr. Quillfeather.", ["Xandriel", "Quillfeather"]),
    ("K. Vasquez and Joost van der Berg", ["K. Vasquez", "Joost", "van der Berg"]),
    ("Ask Rosie O'Grady's and Jean-Luc's.", ["Rosie", "O'Grady", "Jean", "Luc"]),
    ("It was José, Zoë and Łukasz.", ["José", "Zoë", "Łukasz"]),
    ("See you,\n\nBest,\nWynther", ["Wynther"]),
]


@pytest.mark.parametrize(("text", "expected"), EXPECTED)
def test_names_are_found(text: str, expected: list[str]) -> None:
    assert [text[name.start : name.end] for name in names.find(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Will you merge it? May I? Mark it as done. Hope this helps. Bill the customer.",
        "In May the Paris office moves; Jenkins and Jira stay, and Ruby 3.3 goes in August.",
        "Thanks team. Hi everyone, dear all. Thanks Support.",
        "He daren't; rich text, art and grace periods don't count.",
        "NAME1, DATE2 and max_anna_count are no people.",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert names.find(text) == []


def test_what_is_known_to_be_a_name_is_found_where_it_can_be_one() -> None:
    assert names.find("Then Wynther left.") == []
    assert [name.word for name in names.find("Then Wynther left.", {"wynther"})] == ["Wynther"]
    assert [name.word for name in names.find("Will you go? Will can't.", {"will"})] == ["Will"]


PIECES = st.sampled_from(
    [
        "Anna",
        "anna",
        "Will",
        "May",
        "van der",
        "Berg",
        "J.",
        "and",
        ", ",
        "'s",
        "-",
        "\n",
        "Dr. ",
        "Hi",
        "Élodie",
    ]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=12), st.booleans())
def test_names_lie_in_the_text_and_none_overlap(parts: list[str], spaced: bool) -> None:
    text, end = (" " if spaced else "").join(parts), 0
    for name in names.find(text, {"berg"}):
        assert end <= name.start <= name.at < name.end <= len(text)
        assert text[name.at : name.at + len(name.word)] == name.word
        end = name.end


def test_the_list_is_folded_and_sorted() -> None:
    lines = [line for line in names.LIST.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    words = [line.split()[0] for line in lines]
    assert words == sorted(set(words))
    assert all(word == names.fold(word) and word.isascii() for word in words)
    assert all(set(line.split()[1]) <= set("grfwx") for line in lines)
    assert {"will", "mark", "grace", "may", "hope", "bill"} <= {
        line.split()[0] for line in lines if line[-1] in "wx"
    }, "they are words too"
