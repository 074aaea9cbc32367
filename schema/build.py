"""The schema, put together from one module per domain. `schema.graphql` beside this file is its snapshot."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema.accounts import AccountQuery
from schema.alerts import AlertMutation
from schema.allocations import AllocationMutation
from schema.approvals import ApprovalMutation, ApprovalQuery, ApprovalSubscription
from schema.balances import BalanceSubscription
from schema.catalogue import CatalogueMutation, CatalogueQuery
from schema.exports import ExportMutation
from schema.giving import GivingMutation
from schema.holds import HoldMutation, HoldQuery
from schema.keys import KeyMutation
from schema.ledger import LedgerQuery, Lot
from schema.membership import MembershipMutation
from schema.nodes import NodeQuery
from schema.prices import PriceMutation, PriceQuery
from schema.purchases import PurchaseMutation, PurchaseQuery, PurchaseSubscription
from schema.scalars import SCALARS
from schema.settings import AccountMutation, StaffQuery
from schema.slack import SlackMutation
from schema.spending import SpendingMutation, SpendingQuery
from schema.structure import StructureMutation
from schema.top_ups import TopUpMutation

_QUERIES = (
    NodeQuery,
    AccountQuery,
    LedgerQuery,
    HoldQuery,
    SpendingQuery,
    PurchaseQuery,
    ApprovalQuery,
    CatalogueQuery,
    PriceQuery,
    StaffQuery,
)
_MUTATIONS = (
    PurchaseMutation,
    PriceMutation,
    CatalogueMutation,
    ApprovalMutation,
    SpendingMutation,
    HoldMutation,
    GivingMutation,
    AllocationMutation,
    AlertMutation,
    TopUpMutation,
    AccountMutation,
    StructureMutation,
    MembershipMutation,
    KeyMutation,
    ExportMutation,
    SlackMutation,
)
_SUBSCRIPTIONS = (BalanceSubscription, PurchaseSubscription, ApprovalSubscription)


def build_schema() -> strawberry.Schema:
    """A new schema; one per process is enough."""
    return strawberry.Schema(
        query=merge_types("Query", _QUERIES),
        mutation=merge_types("Mutation", _MUTATIONS),
        subscription=merge_types("Subscription", _SUBSCRIPTIONS),
        types=[Lot],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )
