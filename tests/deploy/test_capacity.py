"""The measurement of small machines: which rate counts, and how it is shown."""

from deploy.capacity import MACHINES, TRAFFIC, Capacity, Step, table


def a_step(rate: int, *, in_time: bool = True) -> Step:
    return Step(rate, float(rate), 1.0, 4.25, 120.0, {"200": 10}, 0, in_time)


def a_capacity(cached: list[Step], new: list[Step]) -> Capacity:
    return Capacity("t3.micro", 2, "768m", False, 0.5, 4.0, 100.0, 151.4, {"cached": cached, "new": new})


def test_the_highest_rate_in_time_counts() -> None:
    capacity = a_capacity([a_step(50), a_step(100), a_step(200, in_time=False)], [a_step(5, in_time=False)])
    assert capacity.best("cached") == a_step(100)
    assert capacity.best("new") is None
    assert table([capacity])[-1] == ("| t3.micro | 2, 768m, L1 only | 100, 4.2 ms | under 5 | 120, - | 151 |")


def test_steps_rise_and_the_micro_machine_has_no_redis() -> None:
    for traffic in TRAFFIC:
        assert list(traffic.rates) == sorted(traffic.rates)
    assert {machine.name for machine in MACHINES if not machine.has_redis} == {
        "t3.micro",
        "t3.micro without credits",
    }
