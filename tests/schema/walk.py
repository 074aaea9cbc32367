"""Every field that can be asked without arguments of whatever has an id, put together from the schema, and every id
that comes back: what the tests of rights need to follow all edges, also those that are built later.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

import schema
from credits.ids import Kind, kind_of

# What has an id, and the type that it is in the schema.
TYPES = {
    Kind.ACCOUNT: "Account",
    Kind.POOL: "Pool",
    Kind.DEPARTMENT: "Department",
    Kind.WALLET: "Wallet",
    Kind.TRANSACTION: "Transaction",
    Kind.LOT: "Lot",
    Kind.HOLD: "Hold",
    Kind.PURCHASE: "Purchase",
    Kind.APPROVAL: "Approval",
    Kind.APPROVAL_POLICY: "ApprovalPolicy",
    Kind.USER: "User",
    Kind.AUDIT_ENTRY: "AuditEntry",
    Kind.API_KEY: "ApiKey",
}
# Aliases that one operation may have.
AT_ONCE = 30
_AN_ID = re.compile(r"[a-z]{3,4}_[0-9a-hjkmnp-tv-z]{26}")
Composite: TypeAlias = GraphQLObjectType | GraphQLInterfaceType


@cache
def snapshot() -> GraphQLSchema:
    """The schema as it is published."""
    return build_schema(Path(schema.__file__).with_name("schema.graphql").read_text(encoding="utf-8"))


@cache
def node_types() -> dict[str, GraphQLObjectType]:
    """The types of all that has an id, by name."""
    node = snapshot().type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    return {each.name: each for each in snapshot().get_possible_types(node)}


def ids_in(told: Any) -> set[str]:
    """Every id that stands anywhere in it, in whatever field or sentence."""
    return {each for each in _AN_ID.findall(json.dumps(told)) if kind_of(each)}


@cache
def every_field_of(type_name: str, *, root: str = "node(id: $id)") -> str:
    """An operation that asks for each edge of a thing of this type beside the others, so that no refused one takes the
    rest along."""
    type_ = snapshot().type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    plain = " ".join(name for name, field in type_.fields.items() if is_leaf_type(get_named_type(field.type)))
    edges = [asked for name, field in type_.fields.items() if (asked := _edge(name, field))]
    parts = [f"of: {root} {{ __typename ... on {type_name} {{ {plain} }} }}"]
    parts += [f"e{n}: {root} {{ ... on {type_name} {{ {asked} }} }}" for n, asked in enumerate(edges)]
    head = "query ($id: ID!)" if "$id" in root else "query"
    return f"{head} {{ {' '.join(parts)} }}"


def every_edge_of(type_name: str) -> str:
    """What to ask of a thing of this type where all is seen: its own fields, and the things that it leads to."""
    type_ = snapshot().type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    return _fields(type_)


def _edge(name: str, field: GraphQLField) -> str:
    return "" if is_leaf_type(get_named_type(field.type)) else _asked(name, field)


def _asked(name: str, field: GraphQLField) -> str:
    if any(is_required_argument(argument) for argument in field.args.values()):
        return ""
    inner = get_named_type(field.type)
    if is_leaf_type(inner):
        return name
    return f"{name}{'(first: 20)' if 'first' in field.args else ''} {{ {_inside(inner)} }}"


def _inside(type_: GraphQLNamedType) -> str:
    """Of things with an id their plain fields; what has none is followed."""
    if isinstance(type_, GraphQLUnionType):
        return "__typename ... on Node { id }"
    assert isinstance(type_, Composite)
    return _plain(type_) if type_.name in node_types() else _fields(type_)


def _plain(type_: Composite) -> str:
    return " ".join(name for name, field in type_.fields.items() if is_leaf_type(get_named_type(field.type)))


def _fields(type_: Composite) -> str:
    return " ".join(asked for name, field in type_.fields.items() if (asked := _asked(name, field)))


def many_nodes(ids: list[str]) -> str:
    """An operation that asks for each of these as a node, by its place in the list."""
    parts = [f'n{n}: node(id: "{each}") {{ __typename id }}' for n, each in enumerate(ids)]
    return f"{{ {' '.join(parts)} }}"
