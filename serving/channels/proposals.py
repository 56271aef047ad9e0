"""What a rule proposes for a message: one that a person has written in a channel, or has sent to be rewritten
without naming a kind. Only people who have agreed are looked up here, and for channels only those who have
switched proposals on; a message of a channel that no rule fits is not stored.
"""

import logging
from typing import NamedTuple

from data.channels import links
from data.channels.links import Link
from data.records import TransformType
from serving.channels.gateway import Gateway
from serving.channels.workspaces import Workspace
from serving.sites.api import GatewayError

log = logging.getLogger(__name__)


class Proposal(NamedTuple):
    """What the first rule that fires proposes; `rule` is its name."""

    rule: str
    transform_type: TransformType
    intensity: int


async def find_proposal(
    gateway: Gateway, workspace: Workspace, link: Link, text: str, channel: str | None = None
) -> Proposal | None:
    """What is proposed for a message, to a channel of the platform if that is known; None without a rule that
    fires, or while the gateway does not answer: nobody waits for a proposal.
    """
    user = links.name_user(workspace.installation, link.person)
    body = {"text": text, "user_id": user} | ({} if channel is None else {"channel": channel})
    try:
        answer = await gateway.ask(workspace.api_key, "POST", "/rules/match", body)
    except GatewayError as error:
        log.warning("no rule is tried: %s", error)
        return None
    found = answer["proposal"]
    if found is None:
        return None
    return Proposal(found["name"], TransformType(found["transform_type"]), found["intensity"])
