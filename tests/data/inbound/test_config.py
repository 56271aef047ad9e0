"""What the settings promise about inbound webhooks."""

from data.inbound import config
from data.jobs import config as jobs_config


def test_every_plan_has_room_for_the_messages_of_a_tool() -> None:
    inbound = config.load()
    for _, plan in jobs_config.load().plans:
        most = int(inbound.share_of_queue * plan.open)
        assert inbound.list_messages <= most < plan.open


def test_a_long_message_in_any_characters_fits_into_a_request() -> None:
    """8,000 characters outside the basic plane, escaped as JSON escapes them, are 96 KB."""
    assert config.load().most_bytes > 12 * 8000
