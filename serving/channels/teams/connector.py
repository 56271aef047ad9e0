"""How an operator connects a tenant of Microsoft Entra, and where Microsoft's servers are.

Nothing of Microsoft's library is imported here: the command and a process without Teams do without it.
"""

from typing import NamedTuple
from uuid import UUID

from serving.channels.connecting import NAMES, Granted

PLATFORM = "teams"
NAME = NAMES[PLATFORM]


class Addresses(NamedTuple):
    """Microsoft's servers: `login` gives tokens to apps, and `openid` names the keys that sign requests."""

    login: str = "https://login.microsoftonline.com"
    openid: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"


PUBLIC = Addresses()


async def identify(given: str) -> Granted:
    """The tenant of an id and a name. An operator vouches for it: a bot has no OAuth installation, so nothing
    of Microsoft's proves that an admin of ToneBridge is one of the tenant. ValueError when it is no id.
    """
    id, _, name = given.partition(" ")
    try:
        tenant = UUID(id)
    except ValueError as error:
        raise ValueError(
            f"{id!r} is no id of a tenant; give it and a name, such as"
            " 00000000-0000-0000-0000-000000000000 Acme (Microsoft Entra admin center, Overview)"
        ) from error
    return Granted(str(tenant), name.strip() or str(tenant), "", [])
