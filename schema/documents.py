"""Documents, parsed and validated once per text: validating costs fifteen times what executing does.

The cache is keyed by the text (hashing a syntax tree costs more than it saves), bounded, least recently used first
out. What is refused is not kept.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    subscribe,
    validate,
)

from schema import limits
from schema.context import Context

_KEPT = 1_000
# Longer texts are rarely sent twice and would fill the memory of the cache.
_LONGEST_KEPT = 10_000
_MAX_ERRORS = 5


class BadRequest(GraphQLError):
    """The request is not one that GraphQL over HTTP knows; the message says what would be right."""

    def __init__(self, message: str, *, code: str = "BAD_REQUEST") -> None:
        super().__init__(message, extensions={"code": code})


@dataclass(frozen=True, slots=True)
class Operation:
    """A document and the operation of it that is to be run."""

    document: DocumentNode
    name: str | None
    type: OperationType


@dataclass(frozen=True, slots=True)
class _Known:
    document: DocumentNode
    operations: dict[str | None, OperationType]


class Documents:
    """The schema, and the documents that were sent for it."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema: GraphQLSchema = schema._schema
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def operation(self, text: str, name: str | None) -> Operation | list[GraphQLError]:
        """The operation to run, or why the document is refused. Raises BadRequest where it is not clear which one."""
        known = self._known.get(text)
        if known is None:
            parsed = self._parse(text)
            if isinstance(parsed, list):
                return parsed
            known = self._keep(text, parsed)
        else:
            self._known.move_to_end(text)
        if name is None and len(known.operations) > 1:
            raise BadRequest("This document has several operations. Say which one in operationName.")
        if name is not None and name not in known.operations:
            raise BadRequest(f"This document has no operation {name!r}.")
        chosen = name if name is not None else next(iter(known.operations))
        return Operation(known.document, name, known.operations[chosen])

    def _parse(self, text: str) -> _Known | list[GraphQLError]:
        try:
            document = parse(text, no_location=False, max_tokens=limits.MAX_TOKENS)
            limits.check(document)
        except limits.TooComplex as error:
            return [error]
        except GraphQLSyntaxError as error:
            if "tokens" in error.message:
                return [limits.TooComplex("or more tokens", limits.MAX_TOKENS + 1, limits.MAX_TOKENS)]
            return [BadRequest(error.message)]
        except RecursionError:
            return [limits.TooComplex("or more levels", limits.MAX_DEPTH + 1, limits.MAX_DEPTH)]
        errors = validate(self._schema, document, max_errors=_MAX_ERRORS, hide_suggestions=True)
        if errors:
            return [BadRequest(error.message) for error in errors]
        operations = {
            node.name.value if node.name else None: node.operation
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        if not operations:
            return [BadRequest("This document has no operation.")]
        return _Known(document, operations)

    def _keep(self, text: str, known: _Known) -> _Known:
        if len(text) <= _LONGEST_KEPT:
            self._known[text] = known
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known

    async def execute(self, operation: Operation, variables: dict[str, Any], context: Context) -> ExecutionResult:
        """Run a query or mutation."""
        result = execute(
            self._schema,
            operation.document,
            context_value=context,
            variable_values=variables,
            operation_name=operation.name,
            hide_suggestions=True,
        )
        return await result if isawaitable(result) else result

    async def subscribe(
        self, operation: Operation, variables: dict[str, Any], context: Context
    ) -> AsyncIterator[ExecutionResult] | ExecutionResult:
        """Begin a subscription: its events, or the errors for which there are none."""
        result = subscribe(
            self._schema,
            operation.document,
            context_value=context,
            variable_values=variables,
            operation_name=operation.name,
            hide_suggestions=True,
        )
        return await result if isawaitable(result) else result
