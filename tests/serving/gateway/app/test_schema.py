"""Schemathesis makes requests from the gateway's own OpenAPI page, right ones and wrong ones: none is
answered with 500.
"""

import uuid
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import identities
from data.records import Spec
from data.tables import Experiment
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local as stack_of
from serving.gateway.app import create_app
from tests.logins import as_gateway

ROUTES = [
    ("POST", "/api/v1/transform"),
    ("POST", "/api/v1/batch"),
    ("POST", "/api/v1/compare"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/api/v1/feedback"),
    ("POST", "/api/v1/comparisons/next"),
    ("POST", "/api/v1/comparisons/{comparison_id}/skip"),
    ("GET", "/api/v1/comparisons/progress"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/register"),
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/v1/ws"),
    ("PUT", "/api/v1/auth/password"),
    ("GET", "/api/v1/accounts"),
    ("PATCH", "/api/v1/accounts/{account_id}"),
    ("DELETE", "/api/v1/accounts/{account_id}"),
    ("POST", "/api/v1/keys"),
    ("GET", "/api/v1/keys"),
    ("DELETE", "/api/v1/keys/{key_id}"),
    ("POST", "/api/v1/keys/{key_id}/secrets"),
    ("GET", "/api/v1/keys/{key_id}/secrets"),
    ("DELETE", "/api/v1/keys/{key_id}/secrets/{secret_id}"),
    ("PUT", "/api/v1/keys/{key_id}/signatures"),
    ("POST", "/api/v1/signing-keys"),
    ("DELETE", "/api/v1/signing-keys/{kid}"),
    ("POST", "/api/v1/tokens/revoke"),
    ("GET", "/api/v1/consent"),
    ("PUT", "/api/v1/consent"),
    ("GET", "/api/v1/organisation"),
    ("PUT", "/api/v1/organisation"),
    ("POST", "/api/v1/experiments"),
    ("GET", "/api/v1/experiments"),
    ("POST", "/api/v1/experiments/outlook"),
    ("GET", "/api/v1/experiments/{experiment_id}"),
    ("POST", "/api/v1/experiments/{experiment_id}/start"),
    ("POST", "/api/v1/experiments/{experiment_id}/ramp"),
    ("POST", "/api/v1/experiments/{experiment_id}/pause"),
    ("POST", "/api/v1/experiments/{experiment_id}/drop"),
    ("POST", "/api/v1/experiments/{experiment_id}/ship"),
    ("POST", "/api/v1/experiments/{experiment_id}/rollback"),
    ("POST", "/api/v1/experiments/{experiment_id}/discard"),
    ("POST", "/api/v1/jobs/batches"),
    ("GET", "/api/v1/jobs/batches"),
    ("GET", "/api/v1/jobs/batches/{batch_id}"),
    ("POST", "/api/v1/jobs/batches/{batch_id}/cancel"),
    ("GET", "/api/v1/jobs/batches/{batch_id}/results"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/{job_id}"),
    ("POST", "/api/v1/jobs/{job_id}/replay"),
    ("POST", "/api/v1/jobs/replay"),
    ("POST", "/api/v1/jobs/exports"),
    ("GET", "/api/v1/jobs/{job_id}/file"),
    ("POST", "/api/v1/webhooks"),
    ("GET", "/api/v1/webhooks"),
    ("GET", "/api/v1/webhooks/{webhook_id}"),
    ("PATCH", "/api/v1/webhooks/{webhook_id}"),
    ("DELETE", "/api/v1/webhooks/{webhook_id}"),
    ("POST", "/api/v1/webhooks/{webhook_id}/secret"),
    ("POST", "/api/v1/webhooks/{webhook_id}/test"),
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries"),
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"),
    ("POST", "/api/v1/webhooks/{webhook_id}/replay"),
    ("GET", "/api/v1/metrics"),
    ("POST", "/graphql"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]

EXPERIMENT = uuid.uuid4()  # one that there is


def is_uuid(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def gateway(stack: Settings, engine: Engine) -> Iterator[tuple[str, str]]:
    """The address of a real gateway, and an owner's key."""
    key = identities.generate_key()
    identities.bootstrap(engine, key, "schemathesis")
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1", max_new_tokens=4)), "a test")
        session.add(Experiment(id=EXPERIMENT, name="x", hypothesis="x", plan={}, salt="x", status="running"))
    ours = stack.model_copy(update={"organisation": "schemathesis"})  # which may use every route
    with stack_of.running(ours, "gateway") as processes:
        processes["gateway"].wait_until_ready(f"{stack.gateway_url}/readyz")
        yield stack.gateway_url, key


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_request_is_answered_with_500(gateway: tuple[str, str], method: str, path: str) -> None:
    url, key = gateway
    page = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operation = page[path][method]
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]

    @given(st.one_of(strategies))
    @settings(max_examples=60, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        if "experiment_id" in path and is_uuid(case.path_parameters["experiment_id"]):
            case.path_parameters["experiment_id"] = str(EXPERIMENT)
        if path.startswith("/api/v1/keys/") and key.split("_")[1] in str(case.path_parameters):
            return  # it would take away its own key
        response = case.call(base_url=url, headers={"X-API-Key": key})
        assert response.status_code != 500, (case.as_curl_command(), response.text)

    check()


def test_every_route_is_tried(local: Settings) -> None:
    paths = create_app(as_gateway(local)).behind.openapi()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ROUTES)
