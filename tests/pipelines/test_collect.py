"""Feedback in a real Postgres becomes a snapshot that is judged, with a page that says why."""

import random
import re
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyarrow import parquet
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data.reasons import reason
from data.records import TransformType
from data.snapshots import shards, validation, votes
from data.snapshots.validation import Quality
from data.tables import Comparison, Feedback, Output, Snapshot, User, new_id
from data.traffic import comparisons, evidence_messages
from pipelines.collect import (
    CollectConfig,
    assess_folder,
    count_new_votes,
    explain_rejection,
    make_snapshot,
    write_snapshot,
)

# Other tests publish champions in the database that all share: none of these votes is about theirs.
CONFIG = configs.load(CollectConfig, "configs/collect.yaml", ["most_off_policy=1.0"])
SHARE = comparisons.load().evidence_share
TRAINED, EVIDENCE = (evidence_messages.list_shipped(SHARE, for_evidence=side) for side in (False, True))


def vote(
    session: Session,
    organisation: uuid.UUID,
    who: int,
    number: int,
    first_is_preferred: bool,
    messages: Sequence[str],
) -> None:
    """Two outputs for a message, shown in this order, and which of them one person prefers."""
    kind = list(TransformType)[(who + number) % 7]
    user = uuid.uuid5(organisation, str(who))
    session.merge(User(id=user, organisation_id=organisation, key_id="k1"))
    texts = [f"Could you {who} {number}?", f"Would you kindly {who} {number}?"]
    random.Random(3 * who + number).shuffle(texts)
    outputs = [
        Output(
            id=new_id(),
            organisation_id=organisation,
            message=messages[3 * who + number],
            transform_type=kind,
            intensity=number,
            text=text,
            facts_missing=[],
            spec_digest="0" * 32,
            version="judged",
            upstream_ms=1.0,
        )
        for text in texts
    ]
    session.add_all(outputs)
    session.flush()
    first, second = (output.id for output in outputs)
    comparison = Comparison(
        id=new_id(),
        organisation_id=organisation,
        user_id=user,
        policy="two_samples",
        first_output_id=first,
        second_output_id=second,
    )
    session.add(comparison)
    session.flush()
    session.add(
        Feedback(
            organisation_id=organisation,
            user_id=user,
            output_id=first,
            kind="comparison",
            comparison_id=comparison.id,
            preferred_output_id=first if first_is_preferred else second,
        )
    )


def cast(
    engine: Engine, organisation: uuid.UUID, share_of_firsts: float, messages: Sequence[str] = TRAINED
) -> None:
    """The votes of thirty people on three messages each."""
    rng = random.Random(0)
    with Session(engine) as session, session.begin():
        for who in range(30):
            for number in range(3):
                vote(session, organisation, who, number, rng.random() < share_of_firsts, messages)


@pytest.mark.slow
def test_clicks_on_the_first_are_refused_and_judged_again_by_other_limits(
    settings: Settings, engine: Engine, organisation_id: uuid.UUID
) -> None:
    cast(engine, organisation_id, share_of_firsts=1.0)
    made, reasons = make_snapshot.fn(settings, engine, organisation_id, CONFIG)
    [why] = reasons
    assert why == reason(
        "position_bias", people=30, share=1.0, votes=90, low=1.0, high=1.0, lowest=0.35, highest=0.65
    )
    assert why.render().startswith("30 people chose the text shown first in 100% of 90 comparisons")
    assert why.render("ja").startswith("30 人が 90 回の比較の 100%")
    page = (made.folder / "quality.html").read_text()
    assert "Rejected" in page
    assert str(why) in page
    assert (made.folder.parent / f"{made.digest}.dvc").exists(), "what is refused is kept, too"
    with Session(engine) as session:
        stored = session.get_one(Snapshot, made.digest)
        assert (stored.accepted, stored.reasons) == (False, list(reasons))
        assert Quality.model_validate(stored.quality).position.share == 1
    assert count_new_votes(engine, organisation_id) == 0, "the same votes would be refused again"

    allowed = CONFIG.model_copy(update={"position_bias": 0.5})
    again, reasons = make_snapshot.fn(settings, engine, organisation_id, allowed)
    assert (again.digest, reasons) == (made.digest, ())
    assert "Accepted" in (again.folder / "quality.html").read_text()
    with Session(engine) as session:
        stored = session.get_one(Snapshot, made.digest)
        assert (stored.accepted, stored.reasons) == (True, [])


def test_fair_votes_are_accepted_with_a_page_that_needs_nothing_and_names_nobody(
    settings: Settings, engine: Engine, organisation_id: uuid.UUID
) -> None:
    cast(engine, organisation_id, share_of_firsts=0.5)
    config = CONFIG.model_copy(update={"votes_a_person": 2, "votes_a_key": 50})
    made, reasons = make_snapshot.fn(settings, engine, organisation_id, config)
    assert reasons == ()
    assert (made.counts["votes"], made.counts["votes_left_out"]) == (50, 40)
    assert "40 more were left out" in (made.folder / "README.md").read_text()
    page = (made.folder / "quality.html").read_text()
    assert "Accepted" in page
    assert "30 beyond a person&#39;s, 10 beyond an API key&#39;s" in page
    assert "0 a number, 0 a phrase that many other edits add" in page
    assert page.count("data:image/png;base64,") == 4
    assert not re.findall(r"https?://", page)
    words = re.sub(r"data:[^\"]*", "", page)
    with engine.connect() as cold:
        cast_votes = list(votes.fetch(cold, organisation_id, votes.find_high_water(cold)))
    for row in cast_votes:
        assert str(row.user_id) not in words
        assert row.message not in words
        assert row.output not in words
    with Session(engine) as session:
        quality = Quality.model_validate(session.get_one(Snapshot, made.digest).quality)
    assert quality.votes == {"comparison": 50}
    assert 0 < sum(quality.similarities) <= len({row.message for row in cast_votes})
    assert quality.losing_facts["pairs"] > 0.5, "these texts say nothing of their messages"


def test_a_snapshot_has_no_row_on_a_message_for_evidence(
    settings: Settings, engine: Engine, organisation_id: uuid.UUID
) -> None:
    """Here every second vote is on one, in other case and with a word more."""
    changed = [f"{message.upper()} Thanks." if len(message.split()) > 20 else message for message in EVIDENCE]
    mixed = [text for texts in zip(TRAINED, changed, strict=False) for text in texts]
    cast(engine, organisation_id, share_of_firsts=0.5, messages=mixed)
    made, _ = make_snapshot.fn(settings, engine, organisation_id, CONFIG)
    assert (made.counts["votes"], made.counts["votes_for_evidence"]) == (45, 45)
    texts = {row.text for kind in shards.KINDS.values() for row in shards.read(made.folder, kind)}
    assert len(texts) == 45
    assert not any(evidence_messages.is_for_evidence(text, SHARE) for text in texts)
    assert (
        "45 votes were left out because their messages are for evidence"
        in (made.folder / "README.md").read_text()
    )
    assert "for evidence only</td><td>45" in re.sub(r"\s+", " ", (made.folder / "quality.html").read_text())
    with Session(engine) as session:
        assert session.get_one(Snapshot, made.digest).evidence_share == SHARE


def test_a_snapshot_for_a_notebook_leaves_no_trace_in_postgres_or_dvc(
    settings: Settings, engine: Engine, organisation_id: uuid.UUID
) -> None:
    cast(engine, organisation_id, share_of_firsts=1.0)
    reading = engine.execution_options(postgresql_readonly=True)
    folder = settings.state / "mine"
    result, quality, reasons = write_snapshot(reading, organisation_id, folder, CONFIG)
    assert [why.code for why in reasons] == ["position_bias"]
    assert quality.position.share == 1
    assert {path.name for path in folder.iterdir()} == {result.digest}
    assert (result.folder / "quality.html").is_file()
    with Session(engine) as session:
        assert session.get(Snapshot, result.digest) is None
    first, second = explain_rejection(result, reasons)
    assert str(first) == f"Snapshot {result.digest} was rejected:"
    assert second == reasons[0]


def test_the_files_of_a_snapshot_say_what_postgres_said(
    settings: Settings, engine: Engine, organisation_id: uuid.UUID
) -> None:
    mixed = [text for texts in zip(TRAINED, EVIDENCE, strict=False) for text in texts]
    cast(engine, organisation_id, share_of_firsts=0.8, messages=mixed)
    result, quality, _ = write_snapshot(engine, organisation_id, settings.state, CONFIG)
    moved = result.folder.rename(settings.state / "alone")
    alone = assess_folder(moved, None, CONFIG)
    expected = quality.model_copy(update={"champion": None})
    absent = {*validation.NOT_IN_FILES}
    assert alone.model_dump(exclude=absent) == expected.model_dump(exclude=absent)
    assert alone.position.votes == 45
    assert 0.5 < (alone.position.share or 0) < 1
    assert (sum(alone.left_out.values()), alone.similarities) == (0, [0] * len(quality.similarities))
    assert quality.left_out["evidence"] == 45


def test_a_snapshot_of_an_earlier_release_is_not_measured_as_if_nobody_had_said_anything(
    tmp_path: Path,
) -> None:
    shards.write(tmp_path, [])
    shard = tmp_path / "sources" / "00000.parquet"
    table = parquet.read_table(shard)
    metadata = parquet.read_metadata(shard).metadata
    older = table.drop_columns(["unit", "value", "first", "longer"])
    parquet.write_table(older.replace_schema_metadata({b"shards": metadata[b"shards"]}), shard)
    with pytest.raises(
        ValueError, match=r"is of an earlier release.* make a new snapshot with the flow `collect`"
    ):
        assess_folder(tmp_path, None, CONFIG)


def test_every_limit_of_the_yaml_is_one_that_somebody_reads() -> None:
    assert configs.load(CollectConfig, "configs/collect.yaml") == CollectConfig()
    with pytest.raises(ValueError, match=r"unknown minimun; known: .*minimum"):
        configs.load(CollectConfig, "configs/collect.yaml", ["minimun=3"])
