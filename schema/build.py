"""The schema, put together from one module per domain. `schema.graphql` beside this file is its snapshot."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema.accounts import AccountMutation, AccountQuery
from schema.balances import BalanceSubscription
from schema.catalogue import CatalogueQuery
from schema.ledger import LedgerQuery, Lot
from schema.nodes import NodeQuery
from schema.purchases import PurchaseMutation, PurchaseQuery, PurchaseSubscription
from schema.scalars import SCALARS
from schema.spending import SpendingMutation

_QUERIES = (NodeQuery, AccountQuery, LedgerQuery, PurchaseQuery, CatalogueQuery)
_MUTATIONS = (PurchaseMutation, SpendingMutation, AccountMutation)
_SUBSCRIPTIONS = (BalanceSubscription, PurchaseSubscription)


def build_schema() -> strawberry.Schema:
    """A new schema; one per process is enough."""
    return strawberry.Schema(
        query=merge_types("Query", _QUERIES),
        mutation=merge_types("Mutation", _MUTATIONS),
        subscription=merge_types("Subscription", _SUBSCRIPTIONS),
        types=[Lot],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )
