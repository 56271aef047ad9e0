import random

import pytest

from data.records import Demonstration, Label, PreferencePair, TransformType
from models import edit_votes
from models.edits import script, writer

SOFTEN = TransformType.SOFTEN
MESSAGE = "You deleted the staging data again without asking anyone. Restore it before 14:00."


def sample(message: str, transform_type: TransformType, seed: int) -> tuple[str, set[str]]:
    """A rewrite that accepts each edit with a coin, and the rules of its edits."""
    rng = random.Random(seed)
    edits = writer.propose(message, transform_type) or []
    made = script.select(edits, 3, lambda edit: rng.random() < 0.5)
    return script.apply(message, made), {edit.rule for edit in made}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("message", "transform_type"),
    [
        (MESSAGE, SOFTEN),
        ("Someone should look at the thing soon, it is broken again.", TransformType.CLARIFY),
        ("The API returns 429 since the CDN moved, so raise the TTL.", TransformType.TERMINOLOGY),
        ("We are closing the side entrance on 3 May.", TransformType.BACKGROUND),
    ],
)
def test_the_decisions_behind_a_rewrite_are_found(
    message: str, transform_type: TransformType, seed: int
) -> None:
    rewrite, _ = sample(message, transform_type, seed)
    decisions = edit_votes.decisions(message, transform_type, 3, rewrite)
    assert decisions is not None
    assert script.apply(message, [edit for edit, accepted in decisions if accepted]) == rewrite
    assert len(decisions) >= 1


def test_a_copy_has_refused_every_edit() -> None:
    decisions = edit_votes.decisions(MESSAGE, SOFTEN, 2, MESSAGE)
    assert decisions
    assert not any(accepted for _, accepted in decisions)
    assert all(edit.level <= 2 for edit, _ in decisions)


@pytest.mark.parametrize(
    ("message", "transform_type", "rewrite"),
    [
        (MESSAGE, SOFTEN, "I deleted the staging data."),
        (MESSAGE, TransformType.STRUCTURE, MESSAGE),
        ("明日までに直してください。", SOFTEN, "明日までに直していただけますか。"),
    ],
)
def test_a_text_that_no_edits_of_english_give_has_no_decisions(
    message: str, transform_type: TransformType, rewrite: str
) -> None:
    assert edit_votes.decisions(message, transform_type, 3, rewrite) is None


def test_a_correction_says_which_edits_the_person_took_back() -> None:
    edits = writer.propose(MESSAGE, SOFTEN) or []
    everything = script.select(edits, 3)
    assert any(edit.rule == "soften.thanks" for edit in everything)
    without_thanks = [edit for edit in everything if edit.rule != "soften.thanks"]
    correction = script.apply(MESSAGE, without_thanks).replace("14:00", "2 pm")
    verdicts = {
        edit.rule: accepted for edit, accepted in edit_votes.corrections(MESSAGE, SOFTEN, 3, correction)
    }
    assert verdicts["soften.thanks"] is False
    assert all(verdicts[edit.rule] for edit in without_thanks if edit.rule in verdicts)
    assert any(verdicts.values())


def test_feedback_that_says_nothing_about_edits_is_counted() -> None:
    first, _ = sample(MESSAGE, SOFTEN, 0)
    second, _ = sample(MESSAGE, SOFTEN, 1)
    assert first != second
    row = {"text": MESSAGE, "transform_type": SOFTEN, "intensity": 3}
    versions = {"chosen_version": "v1", "rejected_version": "v1"}
    pairs = [
        PreferencePair(**row, chosen=first, rejected=second, **versions),
        PreferencePair(**row, chosen=first, rejected=first, **versions),
        PreferencePair(**row, chosen="Something else.", rejected=first, **versions),
    ]
    labels = [
        Label(**row, rewrite=first, good=True, version="v1"),
        Label(**row, rewrite=first, good=False, version="v1"),
        Label(**row, rewrite="Something else.", good=False, version="v1"),
    ]
    demonstrations = [Demonstration(**row, rewrite=second)]
    ballots, skipped = edit_votes.ballots(pairs, labels, demonstrations)
    assert skipped == 3
    comparison, good, bad, correction = ballots
    assert comparison.preferred != comparison.other
    assert good.preferred
    assert not good.other
    assert bad.other
    assert not bad.preferred
    assert correction.corrected
    assert not correction.preferred
