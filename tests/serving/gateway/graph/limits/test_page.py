"""The documents of docs/graphql.md are valid, within the limits, and cost what the page says."""

import json
import re
from pathlib import Path

import graphql
import pytest

import serving
from serving.gateway.graph import limits, trusted
from serving.gateway.graph.limits import MOST_COST, MOST_DEPTH, MOST_NAMES, MOST_TOKENS, measure
from serving.gateway.graph.schema import schema

PAGE = (Path(serving.__file__).parent.parent / "docs" / "graphql.md").read_text(encoding="utf-8")
BODIES = [json.loads(body) for body in re.findall(r"-d '(\{.*?\n\})'", PAGE, re.DOTALL)]
DOCUMENTS = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL) + re.findall(r'gql\("(.*?)"\)', PAGE)


@pytest.mark.parametrize("document", DOCUMENTS + [body["query"] for body in BODIES if "query" in body])
def test_a_document_is_valid_and_within_the_limits(document: str) -> None:
    parsed = graphql.parse(document)
    assert graphql.validate(schema()._schema, parsed) == []
    measure(schema()._schema, parsed, {})


def test_the_ids_are_of_trusted_documents() -> None:
    ids = [body["documentId"] for body in BODIES if "documentId" in body]
    known = {trusted.identify(document) for document in trusted.documents().values()}
    assert ids
    assert set(ids) <= known


def test_the_numbers_are_those_of_the_code() -> None:
    for name, number in (
        ("tokens of the document", MOST_TOKENS),
        ("depth in fields", MOST_DEPTH),
        ("aliases and repeated names", MOST_NAMES),
        ("cost", MOST_COST),
    ):
        assert f"| {name} | {number:,} |" in PAGE
    assert f"for each {limits.FIELDS_PER_TOKEN} of the cost" in PAGE
    assert measure(schema()._schema, graphql.parse("{ jobs(first: 20) { id state } }"), {}).cost == 41
