"""Who waits for the inference service, in which order, and who is refused. Time is virtual."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.admission import run_virtually, simulate
from data.records import Spec
from serving.gateway.online.admission import Admission, Rank, Ticket
from serving.gateway.problems import UnavailableError

V1, V2 = Spec(version="v1"), Spec(version="v2")


def virtually(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """The test in virtual time."""

    def run() -> None:
        run_virtually(test)

    run.__name__ = test.__name__
    return run


def admit(in_flight: int = 16) -> Admission:
    return Admission(10.0, in_flight, clock=asyncio.get_running_loop().time)


async def saturate(admission: Admission, spec: Spec = V1, per_s: float = 4.0, seconds: float = 12.0) -> int:
    """Keep the service full for a while, so that its rate is known; how many are at it then."""
    entered, waiting = 0, []

    async def enter() -> None:
        nonlocal entered
        await admission.enter(spec, admission.ticket())
        entered += 1

    for _ in range(int(per_s * seconds)):
        for _ in range(2 - min(admission.queued, 2)):
            waiting.append(asyncio.create_task(enter()))
        await asyncio.sleep(0)
        await asyncio.sleep(1 / per_s)
        admission.leave(spec, 1, was_answered=True)
        entered -= 1
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return entered


@virtually
async def test_what_has_room_waits_for_nothing() -> None:
    admission = admit()
    for _ in range(4):  # a quarter, as long as nothing is known
        await admission.enter(V1, admission.ticket())
    waiting = asyncio.create_task(admission.enter(V1, admission.ticket()))
    await asyncio.sleep(1)
    assert (waiting.done(), admission.queued) == (False, 1)
    await admission.enter(V2, admission.ticket())  # another version has room of its own
    admission.leave(V1, 1, was_answered=True)
    await waiting
    assert admission.queued == 0


@virtually
async def test_turns_come_in_the_order_of_arrival() -> None:
    admission, order = admit(), []
    for _ in range(4):
        await admission.enter(V1, admission.ticket())

    async def enter(number: int) -> None:
        await admission.enter(V1, admission.ticket(Rank.BATCH if number % 2 else Rank.CHAMPION))
        order.append(number)

    tasks = [asyncio.create_task(enter(number)) for number in range(6)]
    await asyncio.sleep(0)
    for _ in range(6):
        admission.leave(V1, 1, was_answered=True)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4, 5]


@virtually
async def test_who_leaves_gives_the_turn_to_the_next() -> None:
    admission = admit()
    for _ in range(4):
        await admission.enter(V1, admission.ticket())
    tickets = [admission.ticket() for _ in range(3)]
    first, second, third = (asyncio.create_task(admission.enter(V1, ticket)) for ticket in tickets)
    await asyncio.sleep(0)
    first.cancel()
    admission.leave(V1, 1, was_answered=True)  # in the same turn of the event loop
    await second
    assert [ticket.is_sent for ticket in tickets] == [False, True, False]
    third.cancel()
    await asyncio.gather(first, third, return_exceptions=True)
    assert admission.queued == 0


@virtually
async def test_who_leaves_as_their_turn_comes_frees_their_place() -> None:
    admission = admit()
    for _ in range(4):
        await admission.enter(V1, admission.ticket())
    first, second = (asyncio.create_task(admission.enter(V1, admission.ticket())) for _ in range(2))
    await asyncio.sleep(0)
    admission.leave(V1, 1, was_answered=True)
    first.cancel()  # it has its turn by now, and does not know yet
    await second
    assert admission._lanes["v1", V1.engine].in_flight == 4


@virtually
async def test_a_deadline_that_passes_refuses_and_nothing_is_sent() -> None:
    admission = admit()
    for _ in range(4):
        await admission.enter(V1, admission.ticket())
    ticket, loop = admission.ticket(), asyncio.get_running_loop()
    with pytest.raises(UnavailableError, match="wait"):
        await admission.enter(V1, ticket)
    assert loop.time() == pytest.approx(10.0)
    assert (ticket.is_sent, admission.refused, admission.queued) == (False, 1, 0)
    with pytest.raises(UnavailableError):  # for the champion in place of an arm, after all its time
        await admission.enter(V2, Ticket(ticket.deadline))


@virtually
async def test_excess_is_refused_at_once_and_told_when_to_come_back() -> None:
    admission, loop = admit(), asyncio.get_running_loop()
    at_service = await saturate(admission)
    began, outcomes = loop.time(), []

    async def ask() -> None:
        try:
            await admission.enter(V1, admission.ticket())
        except UnavailableError as error:
            outcomes.append((loop.time() - began, error.retry_after_s))

    tasks = [asyncio.create_task(ask()) for _ in range(100)]
    await asyncio.sleep(0)
    # 4 a second in 10 s, of which 7 s may be expected
    assert at_service + admission.queued + len(tasks) - len(outcomes) == pytest.approx(28 + 16, abs=16)
    assert admission.queued < 40
    assert len(outcomes) > 60
    assert {took for took, _ in outcomes} == {0.0}
    assert all(1 <= retry_s <= 60 for _, retry_s in outcomes)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@virtually
async def test_the_champion_comes_first() -> None:
    """When half of the time is taken, messages of challengers are refused, those of batches before them."""
    admission = admit()
    await saturate(admission)
    refused: dict[Rank, int] = {}
    tasks = []
    for number in range(1, 30):
        for rank in (Rank.BATCH, Rank.CHALLENGER):
            ticket = admission.ticket(rank)
            if rank not in refused:
                probe = asyncio.create_task(admission.enter(V1, ticket))
                await asyncio.sleep(0)
                if probe.done() and probe.exception():
                    refused[rank] = number
                probe.cancel()
                await asyncio.gather(probe, return_exceptions=True)
        tasks.append(asyncio.create_task(admission.enter(V1, admission.ticket())))
        await asyncio.sleep(0)
        if tasks[-1].done() and tasks[-1].exception():
            refused[Rank.CHAMPION] = number
            break
    assert refused[Rank.BATCH] <= refused[Rank.CHALLENGER] < refused[Rank.CHAMPION]
    # A challenger of its own version waits for the champion's, too: they share the processors.
    for _ in range(4):  # these have room
        await admission.enter(V2, admission.ticket(Rank.CHALLENGER))
    with pytest.raises(UnavailableError):
        await admission.enter(V2, admission.ticket(Rank.CHALLENGER))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@virtually
async def test_a_service_that_is_stuck_gets_no_queue() -> None:
    admission, loop = admit(), asyncio.get_running_loop()
    for _ in range(4):
        await admission.enter(V1, admission.ticket())
    await asyncio.sleep(10.5)
    began = loop.time()
    with pytest.raises(UnavailableError):
        await admission.enter(V1, admission.ticket())
    assert loop.time() == began
    admission.leave(V1, 4, was_answered=False)
    await admission.enter(V1, admission.ticket())


@virtually
async def test_a_slow_model_gets_fewer_messages_at_a_time() -> None:
    admission = admit(in_flight=64)
    await saturate(admission, per_s=3.0, seconds=30.0)
    lane = admission._lanes["v1", V1.engine]
    assert 8 <= admission._room(lane) <= 20
    assert lane.in_flight <= 20


def test_the_whole_procedure_keeps_its_promise() -> None:
    """A service that slows down, hangs and comes back; `python -m benchmarks.admission` draws 200 courses."""
    for seed in (6, 19):
        course = simulate(seed)
        assert course.wasted == course.failed == 0
        assert course.goodput >= 0.8, (seed, course.change, course.factor)
