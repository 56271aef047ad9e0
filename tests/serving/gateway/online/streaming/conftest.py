"""The tests of this folder run by the gateway's own protocol and by ASGI."""

from typing import Any

import pytest

from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: Any) -> Any:
    return request.param
