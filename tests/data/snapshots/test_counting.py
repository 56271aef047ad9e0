"""What the votes that count say, as the sources of a snapshot."""

import uuid
from pathlib import Path

from data.records import TransformType
from data.snapshots import shards, snapshot
from data.snapshots.shards import Source
from data.snapshots.votes import Usable
from data.tables import new_id
from tests.snapshots import count_votes

LONG, SHORT = "Would you mend it, please? 🙂", "Mend it, please, by tomorrow"  # as many characters


def thumb(user: int, up: bool, output: str = LONG, version: str = "v1", intensity: int = 1) -> Usable:
    return Usable(
        feedback_id=new_id(),
        user_id=uuid.UUID(int=user),
        key_id=None,
        kind="thumb",
        thumb_up=up,
        rating=None,
        edit=None,
        output_id=new_id(),
        message="Mend it.",
        transform_type=TransformType.SOFTEN,
        intensity=intensity,
        output=output,
        version=version,
        other_id=None,
        other=None,
        other_version=None,
        first_is_preferred=None,
    )


def rating(user: int, stars: int) -> Usable:
    return thumb(user, True).model_copy(update={"kind": "rating", "thumb_up": None, "rating": stars})


def edit(user: int) -> Usable:
    return thumb(user, True).model_copy(update={"kind": "edit", "thumb_up": None, "edit": "Mend it, thanks."})


def comparison(user: int, first: str, second: str, prefers_first: bool) -> Usable:
    choice = {
        "kind": "comparison",
        "thumb_up": None,
        "other_id": new_id(),
        "other": second,
        "other_version": "v1",
        "first_is_preferred": prefers_first,
    }
    return thumb(user, True, first).model_copy(update=choice)


def say(*votes: Usable) -> list[Source]:
    with count_votes(votes) as counted:
        return list(counted.make_sources())


def test_a_source_has_the_ids_and_the_value_of_its_vote() -> None:
    up, stars, correction = thumb(1, True), rating(2, 4), edit(3)
    about = {"transform_type": TransformType.SOFTEN, "version": "v1"}
    assert say(up, stars, correction) == [
        Source(feedback=up.feedback_id, user=up.user_id, kind="thumb", unit=1, value=1, **about),
        Source(feedback=stars.feedback_id, user=stars.user_id, kind="rating", unit=2, value=4, **about),
        Source(feedback=correction.feedback_id, user=correction.user_id, kind="edit", **about),
    ]


def test_the_same_text_is_one_unit_whichever_output_holds_it() -> None:
    sources = say(
        thumb(1, True), thumb(2, False, version="v2"), thumb(3, True, SHORT), thumb(4, True, intensity=2)
    )
    assert [source.unit for source in sources] == [1, 1, 2, 3]
    assert [source.value for source in sources] == [1, 0, 1, 1]


def test_the_same_two_texts_are_one_unit_in_any_order() -> None:
    """`value` is of the text, `first` of the place."""
    sources = say(
        comparison(1, "Mend it?", "Please.", True),
        comparison(2, "Please.", "Mend it?", True),
        comparison(3, "Please.", "Mend it?", False),
    )
    assert [source.unit for source in sources] == [1, 1, 1]
    assert [source.value for source in sources] == [0, 1, 0]
    assert [source.first for source in sources] == [True, True, False]
    assert [source.longer for source in sources] == [True, False, True]


def test_length_is_in_characters() -> None:
    assert len(LONG) == len(SHORT)
    assert [source.longer for source in say(comparison(1, LONG, SHORT, True))] == [None]
    (source,) = say(comparison(1, LONG, f"{SHORT}!", True))
    assert (source.first, source.longer) == (True, False)


def test_a_comparison_of_equal_texts_says_nothing() -> None:
    (source,) = say(comparison(1, LONG, LONG, True))
    assert (source.kind, source.unit, source.value, source.first, source.longer) == (
        "comparison", None, None, None, None
    )  # fmt: skip


def test_votes_that_do_not_count_change_no_number_of_a_unit() -> None:
    votes = [thumb(1, True, SHORT), thumb(2, True), thumb(3, False)]
    with count_votes(votes, votes_a_person=0) as counted:
        assert list(counted.make_sources()) == []
    with count_votes([thumb(9, True, "left out"), *votes]) as counted:
        counted.db.execute("DELETE FROM counted WHERE place = 0")
        assert [source.unit for source in counted.make_sources()] == [1, 2, 2]


def test_sources_are_the_same_in_batches_and_in_the_files(tmp_path: Path) -> None:
    votes = [thumb(n, n % 2 == 0, f"{LONG} {n % 5}") for n in range(25)]
    votes += [comparison(n, f"{SHORT} {n % 5}", f"{SHORT} {n % 3} or not", n % 2 == 0) for n in range(25)]
    with count_votes(votes) as counted:
        made = snapshot.write(counted, tmp_path)
        sources = list(counted.make_sources())
    with count_votes(votes, batch_votes=7) as counted:
        assert snapshot.write(counted, tmp_path / "batched").digest == made.digest
    assert list(shards.read_sources(made.folder)) == sources
    assert len(sources) == 50 - made.left_out.tied
    assert {source.kind for source in sources} == {"thumb", "comparison"}
