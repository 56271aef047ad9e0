"""What is known to be down: by outcomes of requests and by probes, for how long, and how often is probed."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from configs.settings import Settings
from data import redis_meter
from data.redis_meter import Meter
from pipelines import local as processes
from serving.sites.api import GatewayClient, GatewayError
from serving.web import health
from serving.web.health import RECENT, Health, Level, Part

START = datetime(2027, 1, 31, 9, tzinfo=UTC)


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def level(seen: Health, part: Part) -> Level:
    return next(state.level for state in seen.list_states() if state.part is part)


def since(seen: Health, part: Part) -> datetime | None:
    return next(state.at for state in seen.list_states() if state.part is part)


def test_nothing_is_claimed_before_anything_was_seen(clock: Clock) -> None:
    assert {(state.level, state.at) for state in Health({}, clock).list_states()} == {(Level.QUIET, None)}


def test_two_failures_in_a_row_are_down_since_the_first_one_until_it_works(clock: Clock) -> None:
    seen = Health({}, clock)
    seen.record(Part.REWRITE, True)
    assert (level(seen, Part.REWRITE), since(seen, Part.REWRITE)) == (Level.WORKS, START)
    clock.go_on(5)
    seen.record(Part.REWRITE, False)
    assert (level(seen, Part.REWRITE), seen.list_down()) == (Level.UNSTEADY, [])
    clock.go_on(5)
    seen.record(Part.REWRITE, False)
    clock.go_on(60)
    seen.record(Part.REWRITE, False)
    assert (level(seen, Part.REWRITE), since(seen, Part.REWRITE)) == (
        Level.DOWN,
        START + timedelta(seconds=5),
    )
    assert seen.list_down() == [Part.REWRITE], "the others are not concerned"
    seen.record(Part.REWRITE, True)
    assert (level(seen, Part.REWRITE), seen.list_down()) == (Level.WORKS, [])


def test_what_is_old_says_nothing_about_now(clock: Clock) -> None:
    seen = Health({}, clock)
    for _ in range(2):
        seen.record(Part.HISTORY, False)
    clock.go_on(RECENT.total_seconds())
    assert seen.list_down() == [Part.HISTORY]
    clock.go_on(1)
    assert (level(seen, Part.HISTORY), seen.list_down()) == (Level.QUIET, [])
    seen.record(Part.HISTORY, False)
    assert level(seen, Part.HISTORY) is Level.UNSTEADY, "the first of a new row"


@pytest.mark.parametrize(
    ("path", "status", "part", "expected"),
    [
        ("/transform", 200, Part.REWRITE, Level.WORKS),
        ("/compare", 503, Part.REWRITE, Level.UNSTEADY),
        ("/transform", 422, Part.REWRITE, Level.QUIET),
        ("/transform", 429, Part.REWRITE, Level.QUIET),
        ("/answers?limit=1", 200, Part.HISTORY, Level.WORKS),
        ("/answers/0d25c0ac", 500, Part.HISTORY, Level.UNSTEADY),
        ("/auth/login", 200, Part.SIGN_IN, Level.WORKS),
        ("/auth/login", 401, Part.SIGN_IN, Level.WORKS),
        ("/auth/refresh", 503, Part.SIGN_IN, Level.UNSTEADY),
        ("/auth/me", 503, Part.SIGN_IN, Level.QUIET),
        ("/answersheet", 503, Part.HISTORY, Level.QUIET),
    ],
)
def test_answers_of_the_gateway_belong_to_what_people_do(
    clock: Clock, path: str, status: int, part: Part, expected: Level
) -> None:
    seen = Health({}, clock)
    seen.observe(path, status)
    assert level(seen, part) is expected
    assert {level(seen, other) for other in Part if other is not part} == {Level.QUIET}


def probe(works: list[bool]) -> Callable[[], bool]:
    """A probe that returns the last of these."""
    return lambda: works[-1]


def test_a_probe_that_fails_takes_down_what_needs_it_since_the_first_time(clock: Clock) -> None:
    gateway, version = [True], [True]
    probes = {probe(gateway): frozenset(Part), probe(version): frozenset({Part.REWRITE})}
    seen = Health(probes, clock)
    assert seen.check() == START
    assert seen.list_down() == []
    version.append(False)
    clock.go_on(20)
    seen.check()
    clock.go_on(20)
    gateway.append(False)
    seen.check()
    assert seen.list_down() == list(Part)
    assert since(seen, Part.REWRITE) == START + timedelta(seconds=20)
    assert since(seen, Part.HISTORY) == START + timedelta(seconds=40)
    gateway.append(True)
    clock.go_on(20)
    seen.check()
    assert seen.list_down() == [Part.REWRITE]
    clock.go_on(RECENT.total_seconds() + 1)
    assert seen.list_down() == [], "a probe of long ago is no news"


def test_it_probes_once_in_ten_seconds_however_many_ask(clock: Clock) -> None:
    times: list[datetime] = []
    seen = Health({lambda: bool(times.append(clock.now)) or True: frozenset(Part)}, clock)  # type: ignore[func-returns-value]
    threads = [threading.Thread(target=seen.check) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.go_on(9.9)
    assert seen.check() == START
    clock.go_on(0.1)
    assert seen.check() == START + timedelta(seconds=10)
    assert times == [START, START + timedelta(seconds=10)]


def test_while_one_thread_probes_others_take_the_probe_before(clock: Clock) -> None:
    begun, may_end = threading.Event(), threading.Event()
    may_end.set()

    def wait() -> bool:
        begun.set()
        return may_end.wait(30)

    seen = Health({wait: frozenset(Part)}, clock)
    seen.check()
    begun.clear()
    may_end.clear()
    clock.go_on(60)
    thread = threading.Thread(target=seen.check)
    thread.start()
    assert begun.wait(30)
    assert seen.check() == START, "it does not wait"
    may_end.set()
    thread.join()
    assert seen.check() == START + timedelta(seconds=60)


def test_a_gateway_and_a_redis_that_are_not_there_are_down(local: Settings) -> None:
    nowhere = f"http://127.0.0.1:{processes.free_port(23000)}"
    assert local.redis_url is not None
    gateway = GatewayClient(nowhere)
    with Redis.from_url(local.redis_url) as client:
        seen = health.make(gateway, client, Meter())
        for _ in range(2):
            with pytest.raises(GatewayError):
                gateway.sign_in("ann@example.org", "x")
        assert seen.list_down() == [Part.SIGN_IN]
        seen.check()
        assert seen.list_down() == list(Part)
    gateway.close()


def test_with_a_budget_redis_is_asked_once_in_ten_minutes(local: Settings) -> None:
    assert local.redis_url is not None
    meter, gateway = Meter(10**6), GatewayClient("http://127.0.0.1:1")
    with redis_meter.connect(local.redis_url, meter) as client:
        *_, has_sessions = health.make(gateway, client, meter)._probes
        assert [has_sessions() for _ in range(5)] == [True] * 5
        assert meter.sent["connection"] == 2, "HELLO and one PING"
        meter._is_spent = True
        assert not has_sessions()
    gateway.close()
