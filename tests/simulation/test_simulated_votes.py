"""People vote on what a version writes, without servers."""

import pytest
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.snapshots import shards
from data.tables import Snapshot
from simulation import simulated_votes
from simulation.simulated_votes import VotesConfig


@pytest.mark.slow
def test_the_same_people_vote_the_same_on_the_same_version(tiny_version, tmp_path):
    first, second, strangers = (
        # The tiny model babbles, and of two such texts most people choose neither: pairs need many people.
        simulated_votes.main(VotesConfig(version=tiny_version, people=30, seed=seed, out=tmp_path / name))
        for name, seed in (("first", 0), ("second", 0), ("strangers", 1))
    )
    assert first.digest == second.digest != strangers.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second", "strangers"]
    for name, kind in shards.KINDS.items():
        rows = list(shards.read(tmp_path / "first", kind))
        assert len(rows) == first.counts[name]
        assert rows == list(shards.read(tmp_path / "second", kind))
    assert first.counts["pairs"] > 5
    assert 0 < first.counts["pairs_validation"] < first.counts["pairs"]
    assert first.counts["people"] > 3


def test_the_votes_of_an_installation_come_before_those_of_simulated_people(
    tiny_version, tmp_path, new_database, capsys
):
    simulated = VotesConfig(version=tiny_version, people=5, out=tmp_path / "simulated")
    settings = Settings(database_url=new_database(), state=tmp_path)
    real = shards.write(tmp_path / "real", [])
    engine = database.engine_of(settings)
    with Session(engine) as session, session.begin():
        values = {"path": str(real), "counts": {}, "high_water": 0, "accepted": True, "reasons": []}
        session.add(Snapshot(digest="f" * 32, **values))
    engine.dispose()
    assert simulated_votes.find_or_make(settings, simulated) == real
    assert not simulated.out.exists()

    alone = Settings(database_url=None, state=tmp_path)
    assert simulated_votes.find_or_make(alone, simulated) == simulated.out
    assert shards.is_snapshot(simulated.out)
    assert f"The snapshot is of simulated people, in {simulated.out}." in capsys.readouterr().out
