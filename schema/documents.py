"""Documents, parsed and validated once per text: validating costs fifteen times what executing does.

The cache is keyed by the text (hashing a syntax tree costs more than it saves), bounded in number and size, least
recently used first out. What is refused is not kept.
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
    TokenKind,
    execute,
    parse,
    subscribe,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from schema import limits
from schema.context import Context

KEPT = 1_000
# A syntax tree takes up to a hundred bytes for each character of its text; all of them together at most 50 MB.
KEPT_CHARACTERS = 500_000
# Longer texts are rarely sent twice and would drive the others out.
LONGEST_KEPT = 10_000
_MAX_ERRORS = 5
_MOST_DIGITS = 100
_GIVEN_UP = "Parsing aborted."
# What a message repeats of what was sent.
_SHOWN = 80


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
        self._characters = 0

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
            raise BadRequest(f"This document has no operation {name[:_SHOWN]!r}.")
        chosen = name if name is not None else next(iter(known.operations))
        return Operation(known.document, name, known.operations[chosen])

    def _parse(self, text: str) -> _Known | list[GraphQLError]:
        try:
            document = _read(text)
            errors = _first(validate(self._schema, document, max_errors=_MAX_ERRORS, hide_suggestions=True))
        except (limits.TooComplex, BadRequest) as error:
            return [error]
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
        if len(text) <= LONGEST_KEPT:
            self._known[text] = known
            self._characters += len(text)
            while len(self._known) > KEPT or self._characters > KEPT_CHARACTERS:
                oldest, _ = self._known.popitem(last=False)
                self._characters -= len(oldest)
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


def _read(text: str) -> DocumentNode:
    """The syntax tree of a text that is within the limits. Raises TooComplex and BadRequest."""
    if len(text) > limits.MAX_CHARACTERS:
        raise limits.TooComplex(f"more than {limits.MAX_CHARACTERS:,} characters")
    try:
        document = parse(text, max_tokens=limits.MAX_TOKENS)
        limits.check(document)
    except GraphQLSyntaxError as error:
        if not error.message.endswith(_GIVEN_UP):
            raise BadRequest(error.message) from None
        if "tokens" in error.message:
            raise limits.TooComplex(f"more than {limits.MAX_TOKENS:,} tokens") from None
        raise limits.TooComplex(f"more than {limits.MAX_DEPTH} levels") from None
    except RecursionError:
        raise limits.TooComplex("too many fragments in each other") from None
    _check_values(document)
    return document


def _check_values(document: DocumentNode) -> None:
    """Refuse what no value can be; the same in variables is refused where the request is read."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        value = token.value or ""
        if token.kind in {TokenKind.STRING, TokenKind.BLOCK_STRING} and "\x00" in value:
            raise BadRequest("Text with NUL cannot be kept.")
        if token.kind in {TokenKind.INT, TokenKind.FLOAT} and len(value) > _MOST_DIGITS:
            raise BadRequest(f"A number has at most {_MOST_DIGITS} digits; this has {len(value):,}.")
        token = token.next


def _first(errors: list[GraphQLError]) -> list[GraphQLError]:
    """The errors but for the last, which says that there are more. Raises TooComplex where validating went too far."""
    if not errors or not isinstance(errors[-1], ValidationAbortedError):
        return errors
    if len(errors) <= _MAX_ERRORS:
        raise limits.TooComplex("too many fragments in each other, or fields of one name")
    return errors[:_MAX_ERRORS]
