"""What the gateway asks of the inference service: the messages of one moment as one list."""

import asyncio

from data.records import Spec
from serving.gateway.problems import InvalidError, UnavailableError, VersionFailedError
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten, VersionUnknown

_TIMEOUT_S = 20.0
_LINGER_S = 0.005  # that a message waits for company: the service does not wait once more
_MOST_IN_A_LIST = 16
_MOST_WAITING = 2_000  # messages at once; past it the gateway sheds

_Waiting = list[tuple[Item, "asyncio.Future[Rewritten]"]]


class Upstream:
    """Belongs to one event loop."""

    def __init__(self, inference: InferenceClient) -> None:
        self._inference = inference
        self._open: dict[Spec, _Waiting] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self.waiting = 0
        self.shed = 0

    async def rewrite(self, spec: Spec, item: Item) -> Rewritten:
        """One text, written with whatever else is asked of the spec now.

        Raises InvalidError when the model cannot read the message, and UnavailableError when the service has
        no answer: at once while every replica is left alone or too many wait, as VersionFailedError when it
        was asked.
        """
        if self.waiting >= _MOST_WAITING:
            self.shed += 1
            raise UnavailableError("too many messages wait for the service")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rewritten] = loop.create_future()
        waiting = self._open.get(spec)
        if waiting is None:
            waiting = self._open[spec] = []
            loop.call_later(_LINGER_S, self._send, spec, waiting)
        waiting.append((item, future))
        if len(waiting) == _MOST_IN_A_LIST:
            self._send(spec, waiting)
        self.waiting += 1
        try:
            return _accepted(await future)
        finally:
            self.waiting -= 1

    async def rewrite_together(self, spec: Spec, items: list[Item]) -> list[Rewritten]:
        """These texts and no others in one call; errors as `rewrite`."""
        return [_accepted(said) for said in await self._ask(spec, items)]

    async def _ask(self, spec: Spec, items: list[Item]) -> list[Rewritten]:
        try:
            return await self._inference.rewrite(spec, items, _TIMEOUT_S)
        except VersionUnknown as error:
            raise VersionFailedError(f"version {spec.version} is not published") from error
        except InferenceUnavailable as error:
            kind = VersionFailedError if error.was_asked else UnavailableError
            raise kind(f"version {spec.version} cannot answer at the moment") from error

    def _send(self, spec: Spec, waiting: _Waiting) -> None:
        if self._open.get(spec) is not waiting:
            return  # it was full, and sent before its time
        del self._open[spec]
        task = asyncio.create_task(self._answer(spec, waiting))
        self._at_work.add(task)  # the loop itself would forget it
        task.add_done_callback(self._at_work.discard)

    async def _answer(self, spec: Spec, waiting: _Waiting) -> None:
        try:
            rewritten = await self._ask(spec, [item for item, _ in waiting])
        except UnavailableError as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), said in zip(waiting, rewritten, strict=True):
            if not future.done():  # whoever waited may have gone
                future.set_result(said)


def _accepted(said: Rewritten) -> Rewritten:
    if said.refusal is not None:
        raise InvalidError({"text": said.refusal})
    return said
