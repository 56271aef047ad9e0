"""Which versions are compared: each challenger with the champion, and with the others of its experiment."""

from collections import Counter, defaultdict

import pytest

from data.records import Spec
from data.tables import new_id
from data.traffic import comparisons
from data.traffic.comparisons import InForce, draw_opponents, list_opponents
from data.traffic.routing import Arm, Routing, Split

CHAMPION = Spec(version="v1")


def run(
    *versions: str, low: float = 0.0, high: float = 1.0, ramp: float = 1.0, first: Spec = CHAMPION
) -> Split:
    """An experiment that compares these versions with the first one."""
    specs = [first, *(Spec(version=version) for version in versions)]
    arms = tuple(Arm(name=f"{n}", weight=1 / len(specs), spec=spec) for n, spec in enumerate(specs))
    return Split(experiment_id=new_id(), salt="s", arms=arms, slots=(low, high), ramp=ramp)


def route(*splits: Split, challengers: str) -> Routing:
    """The routing with these experiments, whose challengers are compared."""
    specs = tuple(Spec(version=version) for version in challengers.split())
    return Routing(champion=CHAMPION, challengers=specs, experiments=splits)


def share_by_pair(routing: Routing) -> dict[tuple[str, ...], float]:
    opponents = list_opponents(routing)
    total = sum(row.weight for row in opponents)
    return {tuple(spec.version for spec in row.specs): row.weight / total for row in opponents}


def test_without_a_challenger_two_samples_are_compared() -> None:
    routing = Routing(champion=CHAMPION)
    assert draw_opponents(routing) is None
    assert comparisons.describe_in_force(routing) == InForce(["two_samples"], ["v1"])


def test_one_challenger_meets_the_champion_only() -> None:
    routing = route(run("v2"), challengers="v2")
    assert share_by_pair(routing) == {("v1", "v2"): 1}
    assert comparisons.describe_in_force(routing) == InForce(["champion_against_challenger"], ["v1", "v2"])


@pytest.mark.parametrize("challengers", [2, 3, 6])
def test_a_third_of_the_comparisons_is_between_challengers(challengers: int) -> None:
    names = [f"v{n}" for n in range(2, 2 + challengers)]
    shares = share_by_pair(route(run(*names), challengers=" ".join(names)))
    with_champion = {pair: share for pair, share in shares.items() if "v1" in pair}
    assert sum(with_champion.values()) == pytest.approx(2 / 3)
    assert set(with_champion) == {("v1", name) for name in names}
    times: dict[str, float] = defaultdict(float)
    for pair, share in shares.items():
        for name in pair:
            times[name] += share
    assert len({round(times[name], 12) for name in names}) == 1, "each challenger is compared as often"
    assert len({round(share, 12) for share in with_champion.values()}) == 1


def test_challengers_of_different_experiments_do_not_meet() -> None:
    routing = route(run("v2", "v3", high=0.5), run("v4", low=0.5), challengers="v2 v3 v4")
    shares = share_by_pair(routing)
    assert set(shares) == {("v1", "v2"), ("v1", "v3"), ("v1", "v4"), ("v2", "v3")}
    assert shares["v1", "v2"] == shares["v1", "v3"] == shares["v1", "v4"]


def test_neither_a_paused_experiment_nor_the_holdout_nor_a_dropped_challenger_is_compared() -> None:
    held_out = run("v1", high=0.1, first=Spec(version="v0"))
    paused, running = run("v2", low=0.1, high=0.5, ramp=0.0), run("v3", "v1", low=0.5)
    routing = route(held_out, paused, running, challengers="v3")
    assert share_by_pair(routing) == {("v1", "v3"): 1}


def test_the_draw_follows_the_weights_and_the_policy() -> None:
    routing = route(run("v2", "v3"), challengers="v2 v3")
    drawn: Counter[str] = Counter()
    for _ in range(3000):
        opponents = draw_opponents(routing)
        assert opponents is not None
        drawn[opponents.policy] += 1
    assert 850 < drawn["between_challengers"] < 1150  # by chance outside: once in 150 million
    only = draw_opponents(routing, "between_challengers")
    assert only is not None
    assert {spec.version for spec in only.specs} == {"v2", "v3"}
    alone = route(run("v2"), challengers="v2")
    assert draw_opponents(alone, "between_challengers") is None
