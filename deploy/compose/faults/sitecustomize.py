"""Breaks a release in one way, which the variable TONEBRIDGE_FAULT names: for the trial of rollouts alone.

`errors`: a gateway fails on every twentieth message. `slow`: it waits with every third. `wording`: the
inference service shouts. `ends`: a gateway ends after half a minute. Python imports this module at its start.
"""

import asyncio
import importlib.abc
import importlib.util
import itertools
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_count = itertools.count(1)
Wrapped = Callable[..., Awaitable[Any]]


def _fail(transform: Wrapped) -> Wrapped:
    async def failing(*arguments: Any) -> Any:
        if next(_count) % 20 == 0:
            raise RuntimeError("the fault of this release")
        return await transform(*arguments)

    return failing


def _wait(transform: Wrapped) -> Wrapped:
    async def waiting(*arguments: Any) -> Any:
        if next(_count) % 3 == 0:
            await asyncio.sleep(0.3)
        return await transform(*arguments)

    return waiting


def _end(transform: Wrapped) -> Wrapped:
    async def ending(*arguments: Any) -> Any:
        if next(_count) == 1:
            threading.Timer(30, lambda: os._exit(3)).start()
        return await transform(*arguments)

    return ending


def _shout(rewrite: Wrapped) -> Wrapped:
    async def shouting(*arguments: Any) -> Any:
        rewrites = await rewrite(*arguments)
        for each in rewrites:
            each.text, each.unchanged = f"{each.text.upper()}!!!", None
        return rewrites

    return shouting


_ANSWERING = ("serving.gateway.online.answering", "Online", "transform")
_FAULTS: dict[str, tuple[tuple[str, str, str], Callable[[Wrapped], Wrapped]]] = {
    "errors": (_ANSWERING, _fail),
    "slow": (_ANSWERING, _wait),
    "ends": (_ANSWERING, _end),
    "wording": (("serving.inference.pool", "Pool", "rewrite"), _shout),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Breaks one method of one module, when the module is imported."""

    def __init__(self, place: tuple[str, str, str], fault: Callable[[Wrapped], Wrapped]) -> None:
        self._module, self._class, self._method = place
        self._fault = fault

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, whose loader also breaks it."""
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_break(module: ModuleType) -> None:
            load(module)
            broken = getattr(module, self._class)
            setattr(broken, self._method, self._fault(getattr(broken, self._method)))

        spec.loader.exec_module = load_and_break  # type: ignore[method-assign]
        return spec


if chosen := os.environ.get("TONEBRIDGE_FAULT"):
    sys.meta_path.insert(0, _Finder(*_FAULTS[chosen]))
