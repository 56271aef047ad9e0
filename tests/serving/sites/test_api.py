"""The client of the gateway's API continues the trace of the page that calls."""

import pytest

from configs.settings import Settings
from serving.observability import spans
from serving.sites.api import GatewayClient, GatewayError
from tests import gateways
from tests.collectors import Collector, values_of

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def test_a_request_to_the_gateway_continues_the_trace(collector: Collector, local: Settings) -> None:
    with gateways.listening(local) as url:
        client = GatewayClient(url)
        with spans.joined(PARENT), pytest.raises(GatewayError) as refused:
            client.sign_in("planted@example.org", "a planted password")
        client.close()
    spans.stop()
    (call,) = collector.named("gateway")
    assert values_of(call) == {"method": "POST", "status": refused.value.status}
    (answered,) = collector.named("POST")
    assert collector.above(answered) == call
    assert values_of(answered)["route"] == "/api/v1/auth/login"
    assert {call.trace_id.hex(), answered.trace_id.hex()} == {"0af7651916cd43dd8448eb211c80319c"}
    assert b"planted" not in b"".join(collector.bodies)


def test_a_gateway_that_is_away_is_a_failed_call(collector: Collector) -> None:
    client = GatewayClient("http://127.0.0.1:1")
    with pytest.raises(GatewayError):
        client.sign_in("planted@example.org", "a planted password")
    client.close()
    spans.stop()
    (call,) = collector.named("gateway")
    assert values_of(call) == {"method": "POST", "status": 503}
    errors = {each.key: each.value.string_value for each in call.attributes}
    assert errors["error.type"] == "GatewayError"
