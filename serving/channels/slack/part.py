"""The parts of Slack, put together."""

from configs.settings import Settings
from serving.channels.gateway import Gateway
from serving.channels.intake import Intake
from serving.channels.pace import Pace, SharedBuckets
from serving.channels.parts import Part
from serving.channels.slack import door
from serving.channels.slack.calls import PLATFORM, Slack
from serving.channels.slack.connector import read_connector
from serving.channels.slack.listeners import Listeners


def make(
    settings: Settings, api: str, intake: Intake, gateway: Gateway, shared: SharedBuckets | None
) -> Part:
    """Slack, whose API is at `api`; off without a signing secret."""
    slack = Slack(Pace(shared=shared), api)
    router = None
    if settings.slack_signing_secrets:
        secrets = [secret.get_secret_value() for secret in settings.slack_signing_secrets]
        router = door.make_router(Listeners(intake, slack, gateway).make_app(), secrets)
    return Part(PLATFORM, slack, router, read_connector(settings, slack))
