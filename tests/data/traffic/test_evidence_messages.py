"""A hash decides which messages are for evidence only, the same for nearly the same message."""

import itertools
import random
import uuid

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import configs
from data import corpus
from data.corpus import NEAR, ngrams
from data.tables import Comparison, Output, Snapshot, User, new_id
from data.traffic import comparisons, evidence_messages
from data.traffic.evidence_messages import ShareRaisedError, is_for_evidence, list_shipped

MESSAGES = comparisons.read_messages()
SHARE = comparisons.load().evidence_share
TYPED = [original.text for original in corpus.read(corpus.SEED / "edits") if len(original.text.split()) > 20]


def replace_a_word(message: str) -> str:
    words = message.split()
    return " ".join([*words[:-1], "otherwise"])


def test_every_shipped_message_is_on_one_side_and_the_evidence_has_enough() -> None:
    evidence, training = (list_shipped(SHARE, for_evidence=side) for side in (True, False))
    assert sorted([*evidence, *training]) == sorted(MESSAGES)
    assert len(evidence) >= 400, "400 votes of an experiment need 400 messages"
    assert len(training) > 300
    assert all(is_for_evidence(message, SHARE) for message in evidence)
    assert not any(is_for_evidence(message, SHARE) for message in training)


def test_no_two_shipped_messages_are_nearly_the_same() -> None:
    trigrams = [ngrams(message, 3) for message in MESSAGES]
    for number, first in enumerate(trigrams):
        for second in trigrams[:number]:
            assert len(first & second) < NEAR * len(first | second)


def test_the_share_of_typed_messages_for_evidence_is_the_one_requested() -> None:
    for share in (0.2, 0.5):
        rate = sum(is_for_evidence(message, share) for message in TYPED) / len(TYPED)
        assert rate == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("message", [MESSAGES[0], MESSAGES[-1], TYPED[0], "Fix it.", "直してください。"])
def test_case_and_white_space_do_not_change_the_side(message: str) -> None:
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        changed = f"  {'  '.join(message.upper().split())}\n"
        assert is_for_evidence(changed, share) == is_for_evidence(message, share)


def test_a_message_that_is_nearly_a_shipped_one_is_on_its_side() -> None:
    longer = [message for message in MESSAGES if len(message.split()) > 20]
    assert len(longer) > 200
    for message in longer:
        near = replace_a_word(message)
        assert is_for_evidence(near, SHARE) == is_for_evidence(message, SHARE)


def test_nearly_the_same_typed_messages_are_mostly_on_one_side() -> None:
    """Two hashes of whole texts would agree half of the time."""
    same = [is_for_evidence(replace_a_word(text), 0.5) == is_for_evidence(text, 0.5) for text in TYPED]
    assert sum(same) / len(same) > 0.95


def test_a_smaller_share_only_takes_messages_away_from_the_evidence() -> None:
    shares = sorted(random.Random(0).random() for _ in range(10))
    sides = [set(list_shipped(share, for_evidence=True)) for share in shares]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(sides))


def test_messages_that_were_compared_are_for_evidence_too(engine: Engine, organisation_id: uuid.UUID) -> None:
    training = list_shipped(SHARE, for_evidence=False)[0]
    written = [f"{uuid.uuid4()} {uuid.uuid4()}" for _ in range(100)]
    for_evidence = next(message for message in written if is_for_evidence(message, SHARE))
    others = (message for message in written if not is_for_evidence(message, SHARE))
    other, overridden, between = itertools.islice(others, 3)
    compared = [
        ("two_samples", for_evidence),
        ("two_samples", other),
        ("champion_against_challenger", overridden),
        ("between_challengers", between),
        ("champion_against_challenger", training),
    ]
    with Session(engine) as session, session.begin():
        user = User(id=new_id(), organisation_id=organisation_id, key_id="k1")
        session.add(user)
        for policy, message in compared:
            first, second = (
                Output(
                    id=new_id(), organisation_id=organisation_id, message=message, transform_type="soften",
                    intensity=1, text=text, facts_missing=[], spec_digest="x", version="v1", upstream_ms=1.0,
                )
                for text in ("one", "two")
            )  # fmt: skip
            session.add_all([first, second])
            session.flush()
            session.add(
                Comparison(
                    id=new_id(), organisation_id=organisation_id, user_id=user.id, policy=policy,
                    first_output_id=first.id, second_output_id=second.id,
                )
            )  # fmt: skip
    with engine.connect() as connection:
        excluded = set(evidence_messages.find_all(connection, SHARE))
    assert excluded >= set(list_shipped(SHARE, for_evidence=True))
    assert excluded & {*written} == {for_evidence, overridden, between}
    assert training not in excluded, "an earlier release compared all shipped messages"


def test_the_share_may_fall_but_not_rise(engine: Engine) -> None:
    with Session(engine) as session:  # never committed: other tests share the database
        digest = uuid.uuid4().hex
        session.add(
            Snapshot(
                digest=digest, path="", counts={}, high_water=0, accepted=True, reasons=[],
                evidence_share=0.4,
            )
        )  # fmt: skip
        session.flush()
        evidence_messages.check_share(session, 0.4)
        evidence_messages.check_share(session, 0.1)
        with pytest.raises(ShareRaisedError, match=r"is 0\.41, and a snapshot was made with 0\.40"):
            evidence_messages.check_share(session, 0.41)
        session.get_one(Snapshot, digest).accepted = False
        session.flush()
        evidence_messages.check_share(session, 0.41)


def test_the_yaml_has_the_default_share() -> None:
    loaded = configs.load(comparisons.CompareConfig, "configs/compare.yaml")
    assert loaded.evidence_share == comparisons.CompareConfig().evidence_share
