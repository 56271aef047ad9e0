"""Near-duplicates by meaning, and rewrites that lose facts."""

import uuid

import numpy as np
import pytest

import configs
from data import corpus
from data.records import TransformType
from data.snapshots import splits
from data.snapshots.votes import Usable
from data.tables import new_id
from models import curation
from pipelines.collect import CollectConfig
from tests.snapshots import count_votes

SAME_MEANING = configs.load(CollectConfig, "configs/collect.yaml").same_meaning

SAME = [
    ("The build for PAY-123 has been failing since Monday.", "Since Monday the build of PAY-123 fails."),
    ("Please send me the sales report by 5 pm.", "Could you please send me the sales report by 5 pm?"),
    (
        "We have to move the meeting with Anna to Thursday.",
        "The meeting with Anna has to be moved to Thursday.",
    ),
]
# Of one kind and about one thing, but something else is asked.
DIFFERENT = [
    (
        "The build for PAY-123 has been failing since Monday.",
        "Who may approve the build of the payment page?",
    ),
    ("Please send me the sales report by 5 pm.", "Please delete the old sales reports from the server."),
    ("Please send me the sales report by 5 pm.", "Please send me the hiring report by 5 pm."),
    (
        "We have to move the meeting with Anna to Thursday.",
        "Anna was not invited to the meeting; please add her.",
    ),
]


@pytest.mark.parametrize("pair", SAME)
def test_a_paraphrase_has_the_same_meaning(pair):
    pairs, (nearest, _) = curation.neighbours(list(pair), SAME_MEANING)
    assert pairs == [(0, 1)], nearest


@pytest.mark.parametrize("pair", DIFFERENT)
def test_another_message_about_the_same_thing_has_not(pair):
    pairs, (nearest, _) = curation.neighbours(list(pair), SAME_MEANING)
    assert pairs == [], nearest


@pytest.mark.slow
def test_messages_about_other_matters_are_told_apart():
    """Four hundred messages about four hundred situations: no two are taken for one."""
    messages = [message.text for message in corpus.read_lines(corpus.SEED / "messages", corpus.Message)]
    pairs, nearest = curation.neighbours(messages, SAME_MEANING)
    assert pairs == []
    assert len(nearest) == 400
    assert max(nearest) < SAME_MEANING - 0.1


@pytest.mark.slow
def test_most_light_rewordings_of_a_message_are_taken_for_it():
    reworded = [
        (original.text, rewrite.text)
        for original in corpus.read(corpus.SEED / "train")
        for rewrite in original.rewrites
        if (rewrite.transform_type, rewrite.intensity) == (TransformType.SOFTEN, 1)
    ]
    first, second = (curation.embed(list(texts)) for texts in zip(*reworded, strict=True))
    assert np.mean((first * second).sum(axis=1) >= SAME_MEANING) > 0.75


def test_neighbours_are_those_of_the_whole_matrix():
    texts = [text for pair in SAME + DIFFERENT for text in pair]
    texts = list(dict.fromkeys(texts))
    pairs, nearest = curation.neighbours(texts, 0.5)
    cosines = np.triu(curation.embed(texts) @ curation.embed(texts).T, k=1)
    assert sorted(pairs) == sorted(map(tuple, np.argwhere(cosines >= 0.5).tolist()))
    every_row_alone = np.arange(len(texts))
    similarity = curation.nearest_similarity(curation.embed(texts), every_row_alone)
    assert nearest == pytest.approx(similarity, abs=1e-3)
    assert curation.neighbours(["alone"], 0.5) == ([], [0.0])
    assert curation.neighbours([], 0.5) == ([], [])


def test_rows_of_one_group_are_no_neighbours():
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    for groups, expected in ((["a", "a", "b"], [0.6, 0.6, 0.6]), (["a", "b", "b"], [1.0, 1.0, 0.6])):
        assert curation.nearest_similarity(embeddings, np.array(groups)) == pytest.approx(expected)


def test_each_broken_rule_of_the_corpus_is_named():
    def original(number: int, text: str, *rewrites: str, facts: tuple[str, ...] = ()) -> corpus.Original:
        return corpus.Original(
            id=f"note-{number:03}",
            domain="notes",
            style="blunt",
            text=text,
            facts=facts,
            rewrites=tuple(
                corpus.Rewrite(transform_type=TransformType.SOFTEN, intensity=intensity, text=rewrite)
                for intensity, rewrite in enumerate(rewrites, start=1)
            ),
        )

    _, broken = curation.audit(
        [
            original(1, "Send PAY-12 to Anna.", "Could you send it to Anna?", "Please send PAY-12 to Anna."),
            original(2, "Close the window.", "Please close the window.", "Please close the window."),
            original(3, "Shut the window.", "Please close the window."),
            original(4, "Buy milk.", "Could you buy milk?", facts=("bread",)),
        ]
    )
    assert "note-001 soften 1: loses ['PAY-12']" in broken
    assert "note-002 soften: two intensities have the same rewrite" in broken
    assert "note-004: fact 'bread' is not in its text" in broken
    assert any(line.startswith("near-duplicate") and "note-003" in line for line in broken)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_seed_corpus_keeps_its_rules(capsys):
    """Two minutes of two cores: it embeds 6,235 rewrites."""
    assert curation.main(curation.AUDITED) == 0, capsys.readouterr().out


def an_edit(user: int, message: str) -> Usable:
    return Usable(
        feedback_id=new_id(),
        user_id=uuid.UUID(int=user),
        key_id=None,
        kind="edit",
        thumb_up=None,
        rating=None,
        edit=f"edited by {user}",
        output_id=new_id(),
        message=message,
        transform_type=TransformType.SOFTEN,
        intensity=1,
        output="output",
        version="v1",
        other_id=None,
        other=None,
        other_version=None,
        first_is_preferred=None,
    )


def test_a_paraphrase_leaks_into_no_other_split():
    """Word trigrams do not see that two people wrote the same; embeddings do."""
    messages = [message.text for message in corpus.read_lines(corpus.SEED / "messages", corpus.Message)[:60]]
    messages = [text for pair in SAME for text in pair] + messages
    rows = [an_edit(n, text) for n, text in enumerate(messages)]
    pairs, _ = curation.neighbours(messages, SAME_MEANING)
    with count_votes(rows) as counted:
        alone, together = (splits.find_ties(counted, edges).find_components() for edges in ((), pairs))
    for n in range(0, 2 * len(SAME), 2):
        assert alone[n] != alone[n + 1], messages[n]
        assert together[n] == together[n + 1]


def test_rewrites_that_lose_a_fact_are_counted():
    rewrites = [
        ("Fix PAY-123 by 5 pm.", "Could you fix PAY-123 by 5 pm?"),
        ("Fix PAY-123 by 5 pm.", "Could you fix PAY-124 by 5 pm?"),
        ("Fix it.", "Could you fix it?"),
        ("Pay $1,200 now.", "Could you pay now?"),
    ]
    assert curation.share_losing_facts(rewrites) == 0.5
    assert curation.share_losing_facts([]) == 0
