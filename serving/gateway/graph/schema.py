"""The schema, and what happens to a document before it is executed: it is measured, validated, paid for."""

import inspect
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, get_type_hints

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_named_type,
    is_enum_type,
)
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult, StreamExecutionResult
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.graphql import OperationType

from data.reasons import ReasonedError
from serving.gateway.dependencies import admission
from serving.gateway.graph import limits, objects
from serving.gateway.graph.context import Context
from serving.gateway.graph.faults import explain
from serving.gateway.graph.limits import MOST_TOKENS, Size
from serving.gateway.graph.mutations import Mutation
from serving.gateway.graph.queries import Query
from serving.gateway.graph.subscriptions import Subscription
from serving.gateway.online.front import GRAPHQL_PATH
from serving.gateway.problems import InvalidDocumentError


class Admission(SchemaExtension):
    """Bounds and charges one operation."""

    def __init__(self) -> None:
        self._size = Size()

    def on_operation(self) -> Iterator[None]:
        """Bound the document's tokens, and refuse introspection to those who may not read the schema."""
        self.execution_context.parse_options["max_tokens"] = MOST_TOKENS
        if not self._context.may_introspect:
            self.execution_context.validation_rules += (NoSchemaIntrospectionCustomRule,)
        yield

    def on_validate(self) -> Iterator[None]:
        """Measure the document first: validation takes longer the larger it is."""
        execution = self.execution_context
        assert execution.graphql_document is not None, "it was parsed"
        try:
            self._check_choice(execution.graphql_document)
            self._size = limits.measure(
                execution.schema._schema, execution.graphql_document, execution.variables or {}
            )
        except InvalidDocumentError as error:
            execution.pre_execution_errors = [GraphQLError(str(error), original_error=error)]
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge the caller. A query takes one of their places for concurrent requests; the fields of a
        mutation come one after the other, and each takes its own.
        """
        context, tokens = self._context, self._size.tokens
        limiter, caller = context.parts.limiter, context.caller
        async with AsyncExitStack() as until_answered:
            try:
                if self.execution_context.operation_type is OperationType.QUERY:
                    await until_answered.enter_async_context(admission(limiter, caller, GRAPHQL_PATH, tokens))
                else:
                    await limiter.take(caller, GRAPHQL_PATH, tokens)
            except ReasonedError as error:
                context.refusal = error
                raise
            yield

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Explain the errors of an event, as the route does those of a response."""
        if isinstance(result, ExecutionResult) and result.errors:
            result.errors = [explain(error) for error in result.errors]
        yield

    def _check_choice(self, document: DocumentNode) -> None:
        """InvalidDocumentError when a document has several operations, and none is named: GraphQL (6.1)
        refuses it, and strawberry would execute the first one. Also for other operations than subscriptions
        over a WebSocket.
        """
        named = self.execution_context._provided_operation_name
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if named is None and len(operations) > 1:
            raise InvalidDocumentError("graphql_operation_unknown")
        is_subscription = self.execution_context.operation_type is OperationType.SUBSCRIPTION
        if self._context.is_socket and not is_subscription:
            raise InvalidDocumentError("graphql_only_subscriptions")

    @property
    def _context(self) -> Context:
        context = self.execution_context.context
        assert isinstance(context, Context), context
        return context


class _Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here: `faults` logs what is not expected, and refusals are no errors of ours."""


@cache
def schema() -> strawberry.Schema:
    """The schema. Names that do not exist get no suggestions, which would show it to those who may not read
    it.
    """
    config = StrawberryConfig(disable_field_suggestions=True)
    made = _Schema(Query, Mutation, Subscription, config=config, extensions=[Admission])
    _describe(made)
    return made


def _describe(made: strawberry.Schema) -> None:
    """Show the docstrings of objects, enumerations and resolvers, as FastAPI shows those of routes. Other
    fields get what the API's description says of the documents that they are read from.
    """
    for concrete in made.schema_converter.type_map.values():
        definition = concrete.definition
        graphql_type: Any = concrete.implementation
        if isinstance(definition, StrawberryEnumDefinition):
            graphql_type.description = inspect.getdoc(definition.wrapped_cls)
        if not isinstance(definition, StrawberryObjectDefinition):
            continue
        graphql_type.description = inspect.getdoc(definition.origin)
        sources = (objects.SOURCES[of] for of in definition.origin.__mro__ if of in objects.SOURCES)
        source = next(sources, None)
        documented = {} if source is None else _read_fields(source)
        names = {
            field.python_name: made.config.name_converter.get_graphql_name(field)
            for field in definition.fields
        }
        for field in definition.fields:
            schema_field = graphql_type.fields[names[field.python_name]]
            if schema_field.description is not None:
                continue
            if field.base_resolver is not None:
                schema_field.description = inspect.getdoc(field.base_resolver.wrapped_func)
            elif field.python_name in documented:
                is_enum = is_enum_type(get_named_type(schema_field.type))
                schema_field.description = _explain(
                    documented[field.python_name], names, shows_example=not is_enum
                )


def _read_fields(source: type) -> Mapping[str, FieldInfo]:
    """The fields of a document of REST, with their descriptions and examples."""
    if issubclass(source, BaseModel):
        return source.model_fields
    hints = get_type_hints(source, include_extras=True)
    return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}


def _explain(field: FieldInfo, names: Mapping[str, str], *, shows_example: bool) -> str | None:
    """What a field of a document means, with an example of its value, and the names that fields have here.
    The members of enumerations have others here than in the examples.
    """
    text = re.sub(r"`(\w+)`", lambda match: f"`{names.get(match[1], match[1])}`", field.description or "")
    sentences = [f"{text[0].upper()}{text[1:]}."] if text else []
    example = next(iter(field.examples or ()), None)
    if shows_example and example not in (None, [], {}):
        sentences.append(f"Example: `{json.dumps(example, ensure_ascii=False)}`.")
    return " ".join(sentences) or None
