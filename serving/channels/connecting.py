"""How a workspace is connected: the part that differs by platform, for the command and the page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from data.reasons import Reason, reason

NAMES: Mapping[str, str] = {
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "discord": "Discord",
}  # of the platforms, as people know them


class Granted(NamedTuple):
    """A workspace whose admin has let the app in; `token` is empty where the platform gives none."""

    workspace: str
    name: str
    token: str
    scopes: Sequence[str]


class RefusedInstallError(Exception):
    """The platform does not let the app into a workspace, and why; `status` is what the page answers."""

    def __init__(self, status: int, why: Reason) -> None:
        super().__init__(str(why))
        self.status, self.why = status, why


class Connector(Protocol):
    """The way to one platform and back (OAuth 2.0)."""

    platform: str
    name: str

    def make_url(self, state: str) -> str:
        """Where an admin goes, to choose a workspace and see what the app may do there."""

    async def exchange(self, code: str) -> Granted:
        """The workspace of a code that the admin brings back. RefusedInstallError when there is none."""


class Identify(Protocol):
    """How an operator names a workspace to connect."""

    async def __call__(self, given: str) -> Granted:
        """The workspace: of a token at Slack, of its id elsewhere. ValueError when there is none."""


def refused(name: str, error: object, status: int = 400) -> RefusedInstallError:
    """A platform, with its name, has refused, with its own word for the error."""
    return RefusedInstallError(status, reason("platform_refused", platform=name, error=str(error)[:100]))


def unreachable(name: str) -> RefusedInstallError:
    """A platform does not answer."""
    return RefusedInstallError(503, reason("platform_unreachable", platform=name))


def return_address(channels_url: str, platform: str) -> str:
    """Where a platform brings an admin back, as its app has to name it."""
    return f"{channels_url}/{platform}/installed"
