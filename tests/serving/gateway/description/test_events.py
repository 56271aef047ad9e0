"""The events of webhooks are described: each of them, with its headers."""

from data.webhooks.events import EventType
from serving.gateway.description.events import DOCUMENTS
from tests import described

DOCUMENT = described.read()


def test_each_event_is_described() -> None:
    assert list(DOCUMENTS) == list(EventType)
    assert DOCUMENT["webhooks"].keys() == {kind.value for kind in EventType}


def test_an_example_names_its_event() -> None:
    for kind, methods in DOCUMENT["webhooks"].items():
        (example,) = described.examples_of(methods["post"]["requestBody"]["content"]["application/json"])
        assert example["type"] == kind
        headers = [parameter["name"] for parameter in methods["post"]["parameters"]]
        assert headers == ["webhook-id", "webhook-timestamp", "webhook-signature"]
