"""People vote on what a version writes, without servers."""

from data.snapshots import shards
from simulation import simulated_votes
from simulation.simulated_votes import VotesConfig


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
