"""What a rollout watches, and how it is read from the metrics of proxy, gateways and inference services.

The bounds are those of docs/reliability.md, and of the analysis in the Helm chart. HAProxy counts what its
servers do not answer at all; how long rewrites take is counted by the processes. prometheus_client has a
parser of these texts; a rollout needs Python alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from deploy.rollout.evidence import Counts, Promise

GATEWAY_ERRORS = Promise("errors of the gateway", 0.01)
INFERENCE_ERRORS = Promise("errors of the inference service", 0.01)
CACHED_SLOW = Promise("cached rewrites over 50 ms", 0.01, follows_warm_up=True)
# Implied by the former. Where a busy machine makes all servers break that one, this one tells them apart.
CACHED_VERY_SLOW = Promise("cached rewrites over 250 ms", 0.01, follows_warm_up=True)
NEW_SLOW = Promise("new rewrites over 5 s", 0.01, follows_warm_up=True)
INFERENCE_SLOW = Promise("answers of the inference service over 5 s", 0.01, follows_warm_up=True)
# People differ more than machines, and nobody has promised a share of votes: only neighbours are compared.
VOTES = Promise("people who vote against a rewrite", None)
PROMISES = (
    GATEWAY_ERRORS, INFERENCE_ERRORS, CACHED_SLOW, CACHED_VERY_SLOW, NEW_SLOW, INFERENCE_SLOW, VOTES,
)  # fmt: skip

_CACHED_BOUND_S, _VERY_SLOW_BOUND_S, _NEW_BOUND_S = 0.05, 0.25, 5.0

Series = tuple[str, Mapping[str, str], float]  # the name of a metric, its labels, its value


def read_proxy(lines: str, backend: str) -> dict[str, Counts]:
    """The answers and the errors of each server of a backend, by HAProxy's metrics."""
    answers: dict[str, int] = {}
    errors: dict[str, int] = {}
    for name, labels, value in _read(lines):
        if labels.get("proxy") != backend or "server" not in labels:
            continue
        server = labels["server"]
        if name == "haproxy_server_http_responses_total":
            answers[server] = answers.get(server, 0) + int(value)
            if labels["code"] == "5xx":
                errors[server] = errors.get(server, 0) + int(value)
        elif name in ("haproxy_server_connection_errors_total", "haproxy_server_response_errors_total"):
            # Neither is in the answers: the proxy has sent the request to another server, or failed itself.
            answers[server] = answers.get(server, 0) + int(value)
            errors[server] = errors.get(server, 0) + int(value)
    return {server: Counts(count, errors.get(server, 0)) for server, count in answers.items()}


def read_ready(lines: str, server: str) -> bool:
    """Whether HAProxy finds a server ready wherever it has it."""
    states = [
        value
        for name, labels, value in _read(lines)
        if name == "haproxy_server_status" and labels.get("server") == server and labels.get("state") == "UP"
    ]
    return bool(states) and all(value == 1 for value in states)


def read_ends(lines: str, server: str) -> int:
    """How often HAProxy has found a server not ready that was ready before."""
    return sum(
        int(value)
        for name, labels, value in _read(lines)
        if name == "haproxy_server_check_up_down_total" and labels.get("server") == server
    )


def read_gateway(lines: str) -> dict[str, Counts]:
    """How many rewrites a gateway was too slow for, of those from a cache and of new ones."""
    metric = "tonebridge_request_seconds"
    return {
        CACHED_SLOW.name: _slow(lines, metric, "cache", ("l1", "l2"), _CACHED_BOUND_S),
        CACHED_VERY_SLOW.name: _slow(lines, metric, "cache", ("l1", "l2"), _VERY_SLOW_BOUND_S),
        NEW_SLOW.name: _slow(lines, metric, "cache", ("miss",), _NEW_BOUND_S),
    }


def read_inference(lines: str) -> dict[str, Counts]:
    """How many calls an inference service was too slow for."""
    metric = "bentoml_service_request_duration_seconds"
    return {INFERENCE_SLOW.name: _slow(lines, metric, "endpoint", ("/rewrite",), _NEW_BOUND_S)}


def _slow(lines: str, metric: str, label: str, values: Sequence[str], bound_s: float) -> Counts:
    """The observations of a histogram, and those above a bound of its buckets."""
    observed = within = 0
    for name, labels, value in _read(lines):
        if labels.get(label) not in values:
            continue
        if name == f"{metric}_count":
            observed += int(value)
        elif name == f"{metric}_bucket" and float(labels["le"]) == bound_s:
            within += int(value)
    return Counts(observed, observed - within)


def _read(lines: str) -> Iterator[Series]:
    """The series of Prometheus' text format, as these three write it: no value of a label has a quote."""
    for line in lines.splitlines():
        if line.startswith("#") or not line:
            continue
        series, _, value = line.rpartition(" ")
        name, _, rest = series.partition("{")
        labels = dict(_pairs(rest.rstrip("}")))
        yield name, labels, float(value)


def _pairs(labels: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, labels.split('",')):
        name, _, value = pair.partition('="')
        yield name, value.rstrip('"')
