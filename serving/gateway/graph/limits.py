"""How large a GraphQL document is, before anything else is done with it: cost, depth and names.

A field costs one, and a list multiplies what is selected in it by its argument `first`. So the cost of a
document is at least the number of fields that it resolves. Fragments count where they are spread.

Each fragment is measured once. strawberry's own limits on depth and aliases walk a fragment each time that it
is spread: twenty fragments that spread the next one twice keep them busy for seconds, thirty for an hour.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from graphql.utilities.type_info import get_field_def

from serving.gateway.problems import InvalidDocumentError

MOST_TOKENS = 600
MOST_DEPTH = 8
MOST_NAMES = 30  # aliases, and names that a selection has again: validation compares all that are the same
MOST_COST = 1000
MOST_LISTED = 200  # by REST, too
FIELDS_PER_TOKEN = 50  # of the plan's rate; so the largest document takes the whole burst of the plan `free`
_OF_INTROSPECTION = 200  # what `__schema` and `__type` cost: their lists have no `first`


class Size(NamedTuple):
    """The size of a selection. `names` are aliases and repetitions."""

    cost: int = 0
    depth: int = 0
    names: int = 0

    def beside(self, other: "Size") -> "Size":
        """The size of both in one selection."""
        return Size(self.cost + other.cost, max(self.depth, other.depth), self.names + other.names)

    @property
    def tokens(self) -> int:
        """What it takes of the caller's rate."""
        return max(1, math.ceil(self.cost / FIELDS_PER_TOKEN))


def measure(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> Size:
    """The size of a document, all its operations together. InvalidDocumentError when it is too large."""
    size = Size()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = size.beside(_Measuring(schema, document, definition, variables).measure())
    if size.depth > MOST_DEPTH:
        raise InvalidDocumentError("graphql_too_deep", measured=size.depth, limit=MOST_DEPTH)
    if size.names > MOST_NAMES:
        raise InvalidDocumentError("graphql_too_many_names", measured=size.names, limit=MOST_NAMES)
    if size.cost > MOST_COST:
        raise InvalidDocumentError("graphql_too_costly", measured=size.cost, limit=MOST_COST)
    return size


class _Measuring:
    """The measuring of one operation. The document is not validated yet: what does not exist costs one."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema, self._operation, self._variables = schema, operation, variables
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions
        }

    def measure(self) -> Size:
        root = self._schema.get_root_type(self._operation.operation)
        return self._selection(self._operation.selection_set, root)

    def _selection(self, selected: SelectionSetNode, parent: GraphQLNamedType | None) -> Size:
        size = Size()
        names: Counter[str] = Counter()
        for node in selected.selections:
            if isinstance(node, FieldNode):
                names[(node.alias or node.name).value] += 1
                size = size.beside(self._field(node, parent))
            elif isinstance(node, FragmentSpreadNode):
                size = size.beside(self._fragment(node.name.value))
            else:  # an inline fragment
                condition = node.type_condition  # type: ignore[attr-defined]
                of_type = self._schema.get_type(condition.name.value) if condition else parent
                size = size.beside(self._selection(node.selection_set, of_type))  # type: ignore[attr-defined]
        return size.beside(Size(names=names.total() - len(names)))

    def _fragment(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = Size()  # of a fragment that spreads itself, which validation refuses
            if (fragment := self._fragments.get(name)) is not None:
                of_type = self._schema.get_type(fragment.type_condition.name.value)
                self._measured[name] = self._selection(fragment.selection_set, of_type)
        return self._measured[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Size:
        definition = None
        if parent is not None and is_composite_type(parent):
            definition = get_field_def(self._schema, parent, node)
        inner = Size()
        if node.selection_set is not None:
            inner = self._selection(
                node.selection_set, get_named_type(definition.type) if definition else None
            )
        names = inner.names + (node.alias is not None)
        if node.name.value in ("__schema", "__type"):  # graphql-core bounds their depth
            return Size(_OF_INTROSPECTION + inner.cost, 1, names)
        times = self._times(node, definition) if definition is not None else 1
        return Size(1 + times * inner.cost, 1 + inner.depth, names)

    def _times(self, node: FieldNode, definition: GraphQLField) -> int:
        """How many objects a field has at most."""
        argument = definition.args.get("first")
        if argument is None or not is_list_type(get_nullable_type(cast(Any, definition.type))):
            return 1  # of our lists of objects each has `first`; a test holds that
        given: Any = next((a.value for a in node.arguments if a.name.value == "first"), None)
        if isinstance(given, VariableNode):
            name = given.name.value
            given = self._variables[name] if name in self._variables else self._defaults.get(name)
        if given is None:
            given = argument.default_value
        if isinstance(given, IntValueNode):
            given = int(given.value) if len(given.value) < 10 else MOST_LISTED
        # What is no number, or out of range, is refused where it is used.
        is_possible = isinstance(given, int | float) and 0 <= given <= MOST_LISTED
        return math.ceil(given) if is_possible else MOST_LISTED
