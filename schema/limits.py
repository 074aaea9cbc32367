"""How much one operation may ask for, counted in one linear pass over the document, each fragment once.

Counted before validation: the rules that ship with GraphQL walk fragments again and again, and a small query that
doubles itself thirty times costs them seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

MAX_CHARACTERS = 100_000
MAX_TOKENS = 2_000
MAX_DEPTH = 10
MAX_FIELDS = 300
MAX_ALIASES = 30
MAX_DIRECTIVES = 30
MAX_MUTATIONS = 5
MAX_COST = 5_000
MAX_PAGE = 100
DEFAULT_PAGE = 25
_DIGITS = 9
# One within the other; what recurses over them, here and in GraphQL's validation, stays far from Python's limit.
MAX_NESTED_FRAGMENTS = 100
# Introspection asks for the types of types of types; the tools' own query goes 13 deep, and GraphQL's own validation
# keeps it from going on.
_INTROSPECTION = frozenset({"__schema", "__type"})


class TooComplex(GraphQLError):
    """The operation asks for more than one may; `what` says of what it has too much."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"This operation has {what}. Ask for less, or in several requests.",
            extensions={"code": "QUERY_TOO_COMPLEX"},
        )


@dataclass(frozen=True, slots=True)
class _Size:
    """`roots` are the fields that stand side by side on the outermost level."""

    depth: int = 0
    roots: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: "_Size") -> "_Size":
        return _Size(
            max(self.depth, other.depth),
            self.roots + other.roots,
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
        )


class _Pass:
    """Sizes of selection sets; a fragment's is computed at its first spread and looked up from then on."""

    def __init__(self, document: DocumentNode) -> None:
        definitions = document.definitions
        self._fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        self._sizes: dict[str, _Size] = {}
        self._under_way: set[str] = set()

    def size(self, selections: SelectionSetNode | None) -> _Size:
        total = _Size()
        for node in selections.selections if selections else ():
            total = total.beside(_Size(directives=len(node.directives or ())))
            if isinstance(node, FieldNode):
                total = total.beside(self._field(node))
            elif isinstance(node, FragmentSpreadNode):
                total = total.beside(self._fragment(node.name.value))
            else:
                total = total.beside(self.size(node.selection_set))  # type: ignore[attr-defined] # inline fragments
        return total

    def _field(self, node: FieldNode) -> _Size:
        inner = self.size(node.selection_set)
        return _Size(
            depth=1 if node.name.value in _INTROSPECTION else inner.depth + 1,
            roots=1,
            fields=inner.fields + 1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            cost=1 + _times(node) * inner.cost,
        )

    def _fragment(self, name: str) -> _Size:
        # A cycle or an unknown name is for validation to tell; it adds nothing here.
        if name in self._under_way or name not in self._fragments:
            return _Size()
        if name not in self._sizes:
            self._under_way.add(name)
            _within("fragments in each other", len(self._under_way), MAX_NESTED_FRAGMENTS)
            self._sizes[name] = self.size(self._fragments[name].selection_set)
            self._under_way.discard(name)
        return self._sizes[name]


def check(document: DocumentNode) -> None:
    """Raises TooComplex for the first limit that an operation of the document exceeds."""
    whole = _Pass(document)
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        size = whole.size(node.selection_set)
        _within("levels", size.depth, MAX_DEPTH)
        _within("fields", size.fields, MAX_FIELDS)
        _within("aliases", size.aliases, MAX_ALIASES)
        _within("points of cost (a field is one, a list has as many as it asks for)", size.cost, MAX_COST)
        _within("directives", size.directives + len(node.directives or ()), MAX_DIRECTIVES)
        if node.operation.value == "mutation":
            _within("mutations", size.roots, MAX_MUTATIONS)


def _times(node: FieldNode) -> int:
    """How many of what stands in it a field may bring: a page of a list has what it asks for, the most there can be
    where a variable says, and a report counts as such a page."""
    inside = {getattr(each, "name", None) and each.name.value for each in _selections(node)}  # type: ignore[attr-defined]
    for argument in node.arguments or ():
        if argument.name.value == "first":
            value = argument.value
            return int(value.value) if isinstance(value, IntValueNode) and len(value.value) <= _DIGITS else MAX_PAGE
    if "rows" in inside:  # of a report: nobody says how many there are
        return MAX_PAGE
    return DEFAULT_PAGE if inside & {"nodes", "edges"} else 1


def _selections(node: FieldNode) -> Sequence[SelectionNode]:
    return node.selection_set.selections if node.selection_set else ()


def _within(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise TooComplex(f"{found:,} {what}; {limit:,} are allowed")
