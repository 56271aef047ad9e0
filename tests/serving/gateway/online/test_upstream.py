"""Calls of the inference service: lists, and messages that are refused."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from data.reasons import reason
from data.records import Form, Spec, TransformType
from serving.gateway.online.admission import Admission
from serving.gateway.online.upstream import Upstream
from serving.gateway.problems import InvalidError, UnavailableError, VersionFailedError, VersionSlowError
from serving.inference.client import InferenceUnavailable, Item, Rewritten, VersionUnknown

TOO_LONG = reason("text_too_long_for_model", tokens=3000, limit=2048)


class Service:
    """In place of the inference service: stores the lists that it got, and fails with `fault`."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.ids: list[str | None] = []  # of these lists
        self.given_up: list[tuple[str, int]] = []
        self.fault: Exception | None = None

    async def give_up(self, list_id: str, index: int) -> None:
        self.given_up.append((list_id, index))

    async def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        timeout_s: float,
        deadlines: Sequence[float],
        list_id: str | None,
    ) -> list[Rewritten]:
        self.lists.append([item.text for item in items])
        self.ids.append(list_id)
        await asyncio.sleep(0.01)
        if self.fault is not None:
            raise self.fault
        return [
            Rewritten(
                text=f"{spec.version} {item.text}",
                facts_missing=[],
                tokens=1,
                finished=True,
                refusal=TOO_LONG if item.text == "endless" else None,
                failure="the answer is empty" if item.text == "unlucky" else None,
                is_late=item.text == "late",
                cost_usd=0.5,
            )
            for item in items
        ]


V1, V2 = Spec(version="v1"), Spec(version="v2")


def item(text: str) -> Item:
    return Item(text=text, transform_type=TransformType.SOFTEN, intensity=1)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def upstream(service: Service) -> Upstream:
    return Upstream(service)  # type: ignore[arg-type]


async def test_messages_of_one_moment_go_as_one_list_a_spec(upstream: Upstream, service: Service) -> None:
    texts = [f"{n}" for n in range(40)]
    rewrites = await asyncio.gather(
        *(upstream.rewrite(V1, item(text)) for text in texts), upstream.rewrite(V2, item("other"))
    )
    assert [rewritten.text for rewritten in rewrites] == [*(f"v1 {text}" for text in texts), "v2 other"]
    assert sorted(map(len, service.lists)) == [1, 8, 16, 16]
    assert upstream.waiting == 0


async def test_one_that_cannot_be_read_is_no_fault_of_the_others(upstream: Upstream) -> None:
    good, bad = await asyncio.gather(
        upstream.rewrite(V1, item("a")), upstream.rewrite(V1, item("endless")), return_exceptions=True
    )
    assert isinstance(good, Rewritten)
    assert isinstance(bad, InvalidError)
    assert bad.by_field == {"text": TOO_LONG}


async def test_a_version_that_fails_on_one_message_answers_the_others(upstream: Upstream) -> None:
    good, bad = await asyncio.gather(
        upstream.rewrite(V1, item("a")), upstream.rewrite(V1, item("unlucky")), return_exceptions=True
    )
    assert isinstance(good, Rewritten)
    assert isinstance(bad, VersionFailedError)


async def test_what_the_service_found_too_late_is_refused_and_no_fault_of_the_version(
    upstream: Upstream,
) -> None:
    good, late = await asyncio.gather(
        upstream.rewrite(V1, item("a")), upstream.rewrite(V1, item("late")), return_exceptions=True
    )
    assert isinstance(good, Rewritten)
    assert type(late) is UnavailableError
    assert (late.retry_after_s >= 1, upstream.shed) == (True, 1)


async def test_who_leaves_before_their_turn_is_not_computed(service: Service) -> None:
    upstream = Upstream(service, admission=Admission(in_flight=4))  # type: ignore[arg-type]
    busy, leaving, staying = (asyncio.create_task(upstream.rewrite(V1, item(text))) for text in "abc")
    await asyncio.sleep(0)
    assert upstream.queued == 2
    leaving.cancel()
    await asyncio.gather(busy, staying)
    assert service.lists == [["a"], ["c"]]
    assert (upstream.waiting, upstream.queued) == (0, 0)


async def test_every_rewrite_is_counted_with_its_version(service: Service) -> None:
    counted = []
    upstream = Upstream(service, count=lambda version, row: counted.append((version, row.cost_usd)))  # type: ignore[arg-type]
    await asyncio.gather(upstream.rewrite(V1, item("a")), upstream.rewrite(V2, item("b")))
    await upstream.rewrite_together(V1, [item("c")] * 2)
    assert sorted(counted) == [("v1", 0.5)] * 3 + [("v2", 0.5)]


@pytest.mark.parametrize(
    ("fault", "message", "kind"),
    [
        (InferenceUnavailable("gone"), "cannot answer", VersionFailedError),
        (InferenceUnavailable("not called", was_called=False), "cannot answer", UnavailableError),
        (InferenceUnavailable("slow", is_busy=True), "cannot answer", VersionSlowError),
        (VersionUnknown("v1"), "not published", VersionFailedError),
    ],
)
async def test_why_there_is_no_answer(
    upstream: Upstream, service: Service, fault: Exception, message: str, kind: type[UnavailableError]
) -> None:
    service.fault = fault
    with pytest.raises(UnavailableError, match=message) as caught:
        await upstream.rewrite(V1, item("a"))
    assert type(caught.value) is kind
    assert upstream.waiting == 0


async def test_who_leaves_takes_nothing_from_the_others(upstream: Upstream) -> None:
    first, second = (asyncio.create_task(upstream.rewrite(V1, item(text))) for text in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).text == "v1 b"
    assert upstream.waiting == 0


class Held(Service):
    """In place of the inference service: answers when it may, and counts the calls that were cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer, self.cancelled = asyncio.Event(), 0

    async def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        timeout_s: float,
        deadlines: Sequence[float],
        list_id: str | None,
    ) -> list[Rewritten]:
        self.lists.append([item.text for item in items])
        self.ids.append(list_id)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().rewrite(spec, items, timeout_s, deadlines, list_id)


async def test_a_call_ends_with_the_last_message_of_its_list() -> None:
    service = Held()
    upstream = Upstream(service, admission=Admission(in_flight=4))  # type: ignore[arg-type]
    waiting = asyncio.create_task(upstream.rewrite(V1, item("c")))  # in a list before
    await asyncio.sleep(0.02)
    first, second = (asyncio.create_task(upstream.rewrite(V2, item(text))) for text in "ab")
    await asyncio.sleep(0.02)
    assert service.lists == [["c"], ["a"]], "the second waits for its turn"
    first.cancel()
    await asyncio.sleep(0.02)
    assert (service.lists, service.cancelled) == ([["c"], ["a"], ["b"]], 1)
    service.may_answer.set()
    assert [(await task).text for task in (waiting, second)] == ["v1 c", "v2 b"]
    assert (upstream.waiting, upstream.queued, service.cancelled) == (0, 0, 1)


@pytest.mark.parametrize("form", ["text", "edits"])
async def test_a_list_goes_on_while_one_of_its_messages_is_waited_for(form: Form) -> None:
    service = Held()
    upstream = Upstream(service)  # type: ignore[arg-type]
    spec = Spec(version="v1", form=form)
    first, second, third = (asyncio.create_task(upstream.rewrite(spec, item(text))) for text in "abc")
    await asyncio.sleep(0.02)
    third.cancel()
    first.cancel()
    await asyncio.sleep(0.02)
    assert (service.lists, service.cancelled) == ([["a", "b", "c"]], 0)
    [list_id] = service.ids
    assert service.given_up == ([(list_id, 2), (list_id, 0)] if form == "text" else [])
    service.may_answer.set()
    assert (await second).text == "v1 b"


async def test_a_list_that_nobody_waits_for_ends_as_a_whole() -> None:
    service = Held()
    upstream = Upstream(service)  # type: ignore[arg-type]
    leaving = [asyncio.create_task(upstream.rewrite(V1, item(text))) for text in "abc"]
    await asyncio.sleep(0.02)
    for task in leaving:
        task.cancel()
    await asyncio.sleep(0.02)
    assert service.cancelled == 1
    assert (upstream.waiting, upstream.queued) == (0, 0)


async def test_too_many_are_refused(service: Service) -> None:
    upstream = Upstream(service, max_waiting=3)  # type: ignore[arg-type]
    calls = (upstream.rewrite(V1, item(text)) for text in "abcde")
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, UnavailableError) for result in results] == [False, False, False, True, True]
    assert upstream.shed == 2
    assert (await upstream.rewrite(V1, item("a"))).text == "v1 a"


class Streaming(Service):
    """In place of the inference service: shows two texts, or fails."""

    async def stream(
        self, spec: Spec, item: Item, show: Callable[[str], object], timeout_s: float, deadline: float
    ) -> Rewritten:
        show("Ple")
        await asyncio.sleep(0.01)
        show("Please")
        return (await self.rewrite(spec, [item], timeout_s, [deadline], None))[0]


async def test_a_stream_is_a_call_of_its_own_that_is_counted() -> None:
    counted, seen, service = [], [], Streaming()
    upstream = Upstream(service, count=lambda version, row: counted.append((version, row.cost_usd)))  # type: ignore[arg-type]
    rewritten = await upstream.stream(V1, item("a"), seen.append)
    assert (rewritten.text, seen, counted) == ("v1 a", ["Ple", "Please"], [("v1", 0.5)])
    with pytest.raises(InvalidError):
        await upstream.stream(V1, item("endless"), seen.append)
    with pytest.raises(VersionFailedError):
        await upstream.stream(V1, item("unlucky"), seen.append)
    service.fault = InferenceUnavailable("not called", was_called=False)
    with pytest.raises(UnavailableError) as caught:
        await upstream.stream(V1, item("a"), seen.append)
    assert type(caught.value) is UnavailableError
    assert upstream.waiting == 0


async def test_streams_wait_among_the_others() -> None:
    upstream = Upstream(Streaming(), max_waiting=2)  # type: ignore[arg-type]
    calls = [upstream.stream(V1, item("a"), lambda _: None) for _ in range(2)]
    outcomes = await asyncio.gather(*calls, upstream.rewrite(V1, item("b")), return_exceptions=True)
    assert [isinstance(outcome, UnavailableError) for outcome in outcomes] == [False, False, True]
    assert (upstream.shed, upstream.waiting) == (1, 0)
