"""What one platform brings into the process."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple

from fastapi import APIRouter

from serving.channels.connecting import Connector
from serving.channels.replies import Platform


class Part(NamedTuple):
    """A platform in the process. `id` is its name in Postgres, and `platform` shows outcomes there. `router`
    takes its requests; None while it is off. `connector` connects workspaces by a click, where that is
    possible. `opened` is entered as long as the process runs.
    """

    id: str
    platform: Platform
    router: APIRouter | None
    connector: Connector | None = None
    opened: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
