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
from graphql import (
    GraphQLObjectType,
    get_introspection_query,
    get_named_type,
    is_composite_type,
    is_enum_type,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from configs.settings import Settings
from data.people import identities
from data.records import Spec
from data.traffic.routing import Routing
from serving.gateway.graph.objects import SOURCES
from serving.gateway.graph.schema import schema
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
    with gateways.listening(ours) as url, httpx.Client(base_url=url, headers={"X-API-Key": key}) as client:
        introspected = client.post("/graphql", json={"query": get_introspection_query()}).json()
        page = schemathesis.graphql.from_dict(introspected["data"])
        operations = [operation.ok() for operation in page.get_all_operations()]
        assert len(operations) == 37  # two are mutations
        strategy = st.one_of([operation.as_strategy() for operation in operations])

        @given(strategy, st.dictionaries(st.text(max_size=5), WRONG, max_size=2))
        @settings(
            max_examples=100, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        def check(case: schemathesis.Case, variables: dict[str, Any]) -> None:
            response = client.post("/graphql", json={"query": case.body, "variables": variables})
            assert response.status_code in (200, 422), (case.body, response.text)
            statuses = [error["extensions"]["status"] for error in response.json().get("errors", ())]
            assert 500 not in statuses, (case.body, response.text)

        check()


TYPES = schema()._schema.type_map
# What no route of REST shows: the roots, and what is told over a WebSocket.
WITHOUT_SOURCE = {
    "Query", "Mutation", "Subscription", "AnnouncedAnswer", "Release",
    "JobEvent", "AnswerEvent", "ExperimentEvent", "ReleaseEvent",
}  # fmt: skip


def shown_objects() -> dict[str, GraphQLObjectType]:
    return {
        name: of for name, of in TYPES.items()
        if isinstance(of, GraphQLObjectType) and not name.startswith("__")
    }  # fmt: skip


def test_the_schema_says_what_things_are() -> None:
    """From the docstrings and from the API's description, for whoever reads it."""
    for name, named in shown_objects().items():
        assert named.description, name
        for field_name, field in named.fields.items():
            of = get_named_type(field.type)
            is_own = is_enum_type(of) or is_composite_type(of)  # and says itself what it is
            assert field.description or (is_own and of.description), (name, field_name)
            assert "\n    " not in (field.description or "")
    assert all(of.description for name, of in TYPES.items() if is_enum_type(of) and name[0] != "_")


def test_a_field_is_described_as_by_rest_with_the_names_of_graphql() -> None:
    fields = {name: of.fields for name, of in shown_objects().items()}
    assert fields["Delivery"]["durationMs"].description == (
        "Milliseconds until that answer; null before. Example: `12.5`."
    )
    assert fields["Webhook"]["disabledBecause"].description == "`disabledReason` in English."
    assert fields["OwnAnswer"]["transformType"].description == "How."  # members have other names by REST


def test_every_object_names_what_it_shows() -> None:
    assert {of.__name__ for of in SOURCES} == shown_objects().keys() - WITHOUT_SOURCE


# Fields with a name or a source of their own, or with rows of another route.
OTHERS = {"plan", "text", "batch", "arms", "answer", "deliveries", "request_secrets"}


@pytest.mark.parametrize(("graphql_type", "source"), SOURCES.items())
def test_an_object_has_the_fields_of_the_rest_route(graphql_type: Any, source: Any) -> None:
    fields = {
        field.python_name
        for field in strawberry.Schema.get_fields(schema(), graphql_type.__strawberry_definition__)
    }
    if dataclasses.is_dataclass(source):
        named = {field.name for field in dataclasses.fields(source)}
    elif issubclass(source, tuple):
        named = set(source._fields)  # type: ignore[attr-defined]
    else:
        named = set(source.model_fields)
    assert fields - OTHERS <= named
    assert named - fields <= {"variants", "result"}
