"""People vote on what a version writes, without servers."""

import pytest

from data.snapshots import shards
from models.export import export
from simulation import simulated_votes
from simulation.simulated_votes import VotesConfig


@pytest.fixture(scope="module")
def version(tiny_base, tmp_path_factory):
    return export(tiny_base, None, tmp_path_factory.mktemp("votes") / "version")


def test_the_same_people_vote_the_same_on_the_same_version(version, tmp_path):
    one, other, strangers = (
        simulated_votes.main(VotesConfig(version=version, people=10, seed=seed, out=tmp_path / name))
        for name, seed in (("one", 0), ("other", 0), ("strangers", 1))
    )
    assert one.digest == other.digest != strangers.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "strangers"]
    for name, kind in shards.KINDS.items():
        rows = list(shards.read(tmp_path / "one", kind))
        assert len(rows) == one.counts[name]
        assert rows == list(shards.read(tmp_path / "other", kind))
    assert one.counts["pairs"] > 5
    assert 0 < one.counts["pairs_validation"] < one.counts["pairs"]
    assert one.counts["people"] > 3
