"""Limits of documents: what is too large is refused before anything is read, and a cost is never too low."""

from typing import Any

import graphql
import httpx
import pytest
from graphql import GraphQLSchema, build_schema, parse, print_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway import rate
from serving.gateway.graph import limits
from serving.gateway.graph.limits import (
    FIELDS_PER_TOKEN,
    MOST_COST,
    MOST_DEPTH,
    MOST_NAMES,
    Size,
    measure,
)
from serving.gateway.graph.schema import schema
from serving.gateway.problems import InvalidDocumentError
from tests.serving.gateway.graph.conftest import Key
from tests.serving.gateway.graph.test_queries import codes

SCHEMA: GraphQLSchema = schema()._schema


def size(document: str, **variables: Any) -> Size:
    return measure(SCHEMA, parse(document), variables)


@pytest.mark.parametrize(
    ("document", "cost"),
    [
        ("{ me { name role } }", 3),
        ("{ jobs(first: 3) { id state } }", 7),
        ("{ jobs { id } }", 51),
        ("{ experiments(first: 2) { id decisions(first: 3) { id action } } }", 1 + 2 * (1 + 1 + 3 * 2)),
        ("query($n: Int!) { jobs(first: $n) { id } }", 5),
        ("query($m: Int = 3) { jobs(first: $m) { id } }", 4),
        ("query($other: Int) { jobs(first: $other) { id } }", 51),
        ("{ a: jobs(first: 2) { ...Listed } ...All } fragment All on Query { jobs(first: 1) { ...Listed } }"
         " fragment Listed on Job { id state }", 5 + 3),
        ("{ ... on Query { ... { me { name } } } }", 2),
        ("{ __typename me { __typename } }", 3),
        ("{ jobs(first: 5000) { id } }", 201),  # refused by the field
        ('{ jobs(first: "x") { id } }', 201),
        ("{ jobs(first: 99999999999999999999) { id } }", 201),
        ("{ unknown { of { all } } }", 3),  # refused by validation
        ("{ ...Missing me { name } }", 2),
        ("{ ...Itself } fragment Itself on Query { me { name } ...Itself }", 2),
    ],
)  # fmt: skip
def test_a_list_multiplies_what_is_selected_in_it(document: str, cost: int) -> None:
    assert size(document, n=4).cost == cost


def test_depth_and_names_count_through_fragments() -> None:
    measured = size(
        "{ a: me { b: name name name } ...More } fragment More on Query { c: me { ... { role } } }"
    )
    assert (measured.depth, measured.names) == (2, 4)


def nested_fragments(levels: int, selected: str = "id") -> str:
    """Each fragment spreads the next one twice: the last one is there 2 ** levels times."""
    spread = [f"fragment F{n} on Job {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return f"{{ jobs(first: 1) {{ ...F0 }} }} {' '.join(spread)} fragment F{levels} on Job {{ {selected} }}"


BY_VARIABLE = "query($n: Int = 100) { experiments(first: $n) { decisions(first: $n) { id } } }"
MANY_SCHEMAS = " ".join(f"s{n}: __schema {{ types {{ name }} }}" for n in range(6))
TOO_DEEP, TOO_MANY, TOO_COSTLY = "graphql_too_deep", "graphql_too_many_names", "graphql_too_costly"
TOO_LARGE = {
    "deep": ("{ jobs { errors { reasons { " + "text { " * 6 + "a" + " }" * 10, TOO_DEEP),
    "wide": ("{ jobs(first: 200) { id kind state attempts batch { id } } }", TOO_COSTLY),
    "100x100": ("{ experiments(first: 100) { decisions(first: 100) { id } } }", TOO_COSTLY),
    "100x100 by a variable": (BY_VARIABLE, TOO_COSTLY),
    "aliases": ("{ " + " ".join(f"m{n}: me {{ name }}" for n in range(31)) + " }", TOO_MANY),
    "repeated names": ("{ me { " + "name " * 40 + "} }", TOO_MANY),
    "aliases by fragments": (nested_fragments(6, "a: id"), TOO_MANY),
    "fields by fragments": (nested_fragments(25), TOO_COSTLY),
    "introspection": (f"{{ {MANY_SCHEMAS} }}", TOO_COSTLY),
    "tokens": ("{ " + "me { name } " * 200 + "}", "graphql_invalid"),
    "nested selections": ("{ " + "... { " * 280 + "me { name }" + " }" * 281, "graphql_invalid"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_too_large_documents_are_refused_before_anything_is_read(
    client: httpx.AsyncClient, owner: Key, statements: list[str], name: str
) -> None:
    document, code = TOO_LARGE[name]
    await client.post("/graphql", headers=owner, json={"query": "{ me { name } }"})  # its key is known now
    statements.clear()
    response = await client.post("/graphql", headers=owner, json={"query": document})
    refused = response.json()
    assert ("data" in refused, codes(refused)) == (False, [code]), refused
    assert refused["errors"][0]["extensions"]["status"] == 422
    assert statements == []


def test_fragments_that_multiply_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """strawberry's limits on depth and aliases take 2 ** levels steps for this document."""
    select, steps = limits._Measuring._selection, 0

    def counted(*arguments: Any) -> Size:
        nonlocal steps
        steps += 1
        return select(*arguments)

    monkeypatch.setattr(limits._Measuring, "_selection", counted)
    with pytest.raises(InvalidDocumentError):
        size(nested_fragments(60))
    assert steps < 200


def test_the_largest_document_can_be_paid_for_in_every_plan() -> None:
    largest = Size(cost=MOST_COST).tokens
    assert largest == MOST_COST / FIELDS_PER_TOKEN
    assert all(largest <= plan.burst for plan in rate.plans().values())
    assert Size(cost=1).tokens == 1


def test_every_list_of_objects_has_a_first() -> None:
    for named in SCHEMA.type_map.values():
        if isinstance(named, graphql.GraphQLObjectType) and not named.name.startswith("__"):
            for name, field in named.fields.items():
                of = graphql.get_nullable_type(field.type)
                if graphql.is_list_type(of) and graphql.is_composite_type(graphql.get_named_type(of)):
                    assert field.args["first"].default_value is not graphql.Undefined, (named.name, name)


# A copy of the schema without our resolvers: each list has as many objects as may be asked for.
COPY = build_schema(print_schema(SCHEMA))


def resolve(resolved: list[str]) -> Any:
    def resolve_one(_: Any, info: graphql.GraphQLResolveInfo, **arguments: Any) -> Any:
        resolved.append(info.field_name)
        of = graphql.get_nullable_type(info.return_type)
        if graphql.is_list_type(of):
            return [{}] * arguments.get("first", 0)
        named = graphql.get_named_type(of)
        if graphql.is_enum_type(named):
            return next(iter(named.values))
        values = {"Boolean": True, "Int": 1, "Float": 1.0}
        return {} if graphql.is_composite_type(named) else values.get(named.name, "x")

    return resolve_one


@st.composite
def selections(draw: st.DrawFn, of: str, depth: int = 4) -> str:
    """A selection of a type: some of its fields, with aliases, variables and inline fragments."""
    fields = COPY.type_map[of].fields  # type: ignore[attr-defined]
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4))
    parts = []
    for number, name in enumerate(chosen):
        field = fields[name]
        named = graphql.get_named_type(field.type)
        arguments = [
            f"{argument}: {'$id' if argument == 'id' else draw(st.sampled_from(['0', '1', '3', '$n', '$d']))}"
            for argument, defined in field.args.items()
            if argument == "id" or (argument == "first" and draw(st.booleans()))
        ]
        inner = ""
        if graphql.is_composite_type(named):
            inner = "{ __typename }" if depth == 0 else draw(selections(named.name, depth - 1))
        given = f"({', '.join(arguments)})" if arguments else ""
        part = f"f{number}_{name}: {name}{given} {inner}"
        if draw(st.booleans()):
            part = f"... on {of} {{ {part} ...Typed{of} ...Typed{of} }}"
        parts.append(part)
    return "{ " + " ".join(parts) + " }"


@given(selections("Query"), st.integers(0, 4))
@settings(max_examples=100)
def test_a_document_costs_at_least_the_fields_that_it_resolves(selected: str, n: int) -> None:
    document = f'query($n: Int! = 2, $d: Int! = 2, $id: UUID! = "x") {selected}'
    types = {part.split()[0].strip() for part in document.split("...Typed")[1:]}
    document += "".join(f" fragment Typed{of} on {of} {{ __typename }}" for of in sorted(types))
    parsed = parse(document)
    try:
        measured = measure(SCHEMA, parsed, {"n": n})
    except InvalidDocumentError:
        return
    resolved: list[str] = []
    result = graphql.execute_sync(
        COPY, parsed, variable_values={"n": n}, field_resolver=resolve(resolved),
    )  # fmt: skip
    assert not result.errors, (document, result.errors)
    assert len(resolved) <= measured.cost
    assert measured.depth <= MOST_DEPTH
    assert measured.names <= MOST_NAMES
