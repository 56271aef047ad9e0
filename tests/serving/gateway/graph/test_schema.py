"""Schemathesis makes documents from the schema, right ones and wrong ones: no field is answered with 500.
And what the schema shows is what REST shows.
"""

import dataclasses
import uuid
from typing import Any

import httpx
import pytest
import schemathesis
import strawberry
from graphql import get_introspection_query
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from configs.settings import Settings
from data.jobs import listing
from data.people import identities
from data.reasons import Reason
from data.records import Spec
from data.traffic.routing import Routing
from experiments import decisions, drafts
from serving.gateway.graph import objects
from serving.gateway.graph.schema import schema
from serving.gateway.online import answering
from serving.gateway.routes import accounts, feedback, metrics
from tests import gateways

# A variable or an argument that a strategy makes, of any JSON.
WRONG = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_document_is_answered_with_500(local: Settings, engine: Engine) -> None:
    key = identities.generate_key()
    organisation = f"org-{uuid.uuid4()}"
    identities.bootstrap(engine, key, organisation)
    gateways.publish(engine, Routing(champion=Spec(version="v1", max_new_tokens=4)))
    ours = local.model_copy(update={"organisation": organisation})  # which may use every field
    with (
        gateways.listening(ours) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as client,
    ):
        introspected = client.post("/graphql", json={"query": get_introspection_query()}).json()
        page = schemathesis.graphql.from_dict(introspected["data"])
        operations = [operation.ok() for operation in page.get_all_operations()]
        assert len(operations) == 10  # eight queries, two mutations
        strategy = st.one_of([operation.as_strategy() for operation in operations])

        @given(strategy, st.dictionaries(st.text(max_size=5), WRONG, max_size=2))
        @settings(max_examples=100, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case, variables: dict[str, Any]) -> None:
            response = client.post("/graphql", json={"query": case.body, "variables": variables})
            assert response.status_code in (200, 422), (case.body, response.text)
            statuses = [error["extensions"]["status"] for error in response.json().get("errors", ())]
            assert 500 not in statuses, (case.body, response.text)

        check()


def test_the_schema_says_what_things_are() -> None:
    """From the docstrings, for whoever reads it."""
    types = schema()._schema.type_map
    assert all(types[graphql_type.__name__].description for graphql_type, _ in SOURCES)
    for name in ("Query", "Mutation", "Subscription"):
        fields = types[name].fields  # type: ignore[attr-defined]
        assert all(field.description for field in fields.values())
        assert not any("\n    " in field.description for field in fields.values())


SOURCES = [
    (objects.Reason, Reason),
    (objects.Me, accounts.Me),
    (objects.Batch, listing.Batch),
    (objects.FailedAttempt, listing.FailedAttempt),
    (objects.Job, listing.ListedJob),
    (objects.Arm, drafts.ListedArm),
    (objects.Decision, decisions.ListedDecision),
    (objects.Experiment, drafts.WholeExperiment),
    (objects.Metric, metrics.ListedMetric),
    (objects.Segment, metrics.ListedSegment),
    (objects.Metrics, metrics.ListedMetrics),
    (objects.Unchanged, answering.Unchanged),
    (objects.Answer, answering.Answer),
    (objects.FeedbackStored, feedback.FeedbackStored),
]
# Fields with a name or a source of their own.
OTHERS = {"plan", "text", "batch", "arms"}


@pytest.mark.parametrize(("graphql_type", "source"), SOURCES)
def test_an_object_has_the_fields_of_the_rest_route(graphql_type: Any, source: Any) -> None:
    fields = {
        field.python_name
        for field in strawberry.Schema.get_fields(schema(), graphql_type.__strawberry_definition__)
    }
    if dataclasses.is_dataclass(source):
        named = {field.name for field in dataclasses.fields(source)}
    else:
        named = set(source.model_fields)
    assert fields - OTHERS <= named
    assert named - fields <= {"variants"}
