"""What is counted is what the processes export."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from deploy.rollout import promises
from deploy.rollout.evidence import Counts
from serving.gateway.online.telemetry import Telemetry

PROXY = """# TYPE haproxy_server_http_responses_total counter
haproxy_server_http_responses_total{proxy="gateways",server="gateway-1",code="2xx"} 90
haproxy_server_http_responses_total{proxy="gateways",server="gateway-1",code="5xx"} 4
haproxy_server_http_responses_total{proxy="gateways",server="gateway-canary",code="2xx"} 5
haproxy_server_connection_errors_total{proxy="gateways",server="gateway-1"} 2
haproxy_server_response_errors_total{proxy="gateways",server="gateway-1"} 1
haproxy_server_http_responses_total{proxy="living",server="gateway-1",code="5xx"} 1000
haproxy_backend_http_responses_total{proxy="gateways",code="5xx"} 1000
haproxy_server_status{proxy="gateways",server="gateway-1",state="DOWN"} 0
haproxy_server_status{proxy="gateways",server="gateway-1",state="UP"} 1
haproxy_server_status{proxy="living",server="gateway-1",state="UP"} 1
haproxy_server_status{proxy="gateways",server="gateway-canary",state="UP"} 0
haproxy_server_check_up_down_total{proxy="gateways",server="gateway-1"} 2
haproxy_server_check_up_down_total{proxy="living",server="gateway-1"} 1
"""


def test_a_server_has_answers_and_errors_also_those_that_it_never_answered() -> None:
    counts = promises.read_proxy(PROXY, "gateways")
    assert counts == {"gateway-1": Counts(97, 7), "gateway-canary": Counts(5, 0)}


def test_a_server_is_ready_when_the_proxy_says_so() -> None:
    assert promises.read_ready(PROXY, "gateway-1")
    assert not promises.read_ready(PROXY, "gateway-canary")
    assert not promises.read_ready(PROXY, "unknown")


def test_a_server_has_ended_as_often_as_the_proxy_found_it_gone() -> None:
    assert promises.read_ends(PROXY, "gateway-1") == 3
    assert promises.read_ends(PROXY, "gateway-canary") == 0


def test_slow_rewrites_are_counted_of_a_gateways_own_metrics() -> None:
    telemetry = Telemetry(0.0)
    before = promises.read_gateway(telemetry.metrics().decode())
    slow = (promises.CACHED_SLOW, promises.CACHED_VERY_SLOW, promises.NEW_SLOW)
    assert before == {promise.name: Counts(0, 0) for promise in slow}
    for level, seconds in (
        ("l1", 0.04),
        ("l1", 0.06),
        ("l2", 0.26),
        ("miss", 4.0),
        ("miss", 6.0),
        ("miss", 7.0),
    ):
        telemetry._answered[level].observe(seconds)
    counts = promises.read_gateway(telemetry.metrics().decode())
    assert [counts[promise.name] for promise in slow] == [Counts(3, 2), Counts(3, 1), Counts(3, 2)]


def test_slow_calls_are_counted_of_bentomls_metrics() -> None:
    registry = CollectorRegistry()
    seconds = Histogram(
        "bentoml_service_request_duration_seconds",
        "as BentoML has it",
        ["endpoint", "service_name", "http_response_code"],
        buckets=(2.5, 5.0, 10.0),
        registry=registry,
    )
    for endpoint, value in (("/rewrite", 0.1), ("/rewrite", 9.0), ("/load", 50.0)):
        seconds.labels(endpoint, "tonebridge", "200").observe(value)
    counts = promises.read_inference(generate_latest(registry).decode())
    assert counts == {promises.INFERENCE_SLOW.name: Counts(2, 1)}
