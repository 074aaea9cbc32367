"""Deliberate faults in the rules. Each is switched on for one test only, and the simulation has to see it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from credits.idempotency import Key, Used
from credits.ledger import disputing, giving, holding, moving, refunding, rules, spending, store
from credits.ledger.commands import AboutPayment, Bulk, GiveBack, RefundReason
from credits.ledger.holds import HoldItemState, HoldState
from credits.ledger.lots import LotState
from credits.ledger.posting import Posted, Posting, Refused, Spent, State
from credits.ledger.wallet import WalletState

Mutant = Callable[[pytest.MonkeyPatch], None]


def frozen_lots_are_spent(patch: pytest.MonkeyPatch) -> None:
    """Draws ignore a dispute."""
    patch.setattr(LotState, "available", lambda lot, now: 0 if lot.lapsed(now) else lot.unheld)


def a_lot_lapses_a_moment_late(patch: pytest.MonkeyPatch) -> None:
    """After its instant instead of at it."""
    patch.setattr(LotState, "lapsed", lambda lot, now: lot.expires_at is not None and lot.expires_at < now)


def held_credits_are_spent(patch: pytest.MonkeyPatch) -> None:
    """What a hold keeps counts as available."""

    def available(lot: LotState, now: datetime) -> int:
        return 0 if lot.frozen or lot.lapsed(now) else lot.remaining

    patch.setattr(LotState, "available", available)


def bought_credits_go_before_granted_ones(patch: pytest.MonkeyPatch) -> None:
    """The order of consumption, one place of it turned round."""
    made = LotState.__post_init__

    def post_init(lot: LotState) -> None:
        made(lot)
        priority, until, bought, *rest = lot.order
        lot.order = (priority, until, not bought, *rest)  # type: ignore[assignment]

    patch.setattr(LotState, "__post_init__", post_init)


def a_release_frees_the_first_lot(patch: pytest.MonkeyPatch) -> None:
    """The first reserved instead of the last."""
    free = Posting.free

    def first_first(posting: Posting, *args: Any, last_first: bool) -> Any:
        return free(posting, *args, last_first=False)

    patch.setattr(Posting, "free", first_first)


def a_capture_costs_what_it_costs_today(patch: pytest.MonkeyPatch) -> None:
    """The catalogue's price instead of the promised one."""
    capture = holding._capture_item

    def at_todays_price(posting: Posting, hold: HoldState, item: HoldItemState, *args: Any) -> Any:
        today = posting.state.prices.get(item.staging_type)
        item.price = today.credits if today else item.price
        return capture(posting, hold, item, *args)

    patch.setattr(holding, "_capture_item", at_todays_price)


def a_hold_stands_past_its_end(patch: pytest.MonkeyPatch) -> None:
    """Nothing ends it but the one who placed it."""
    patch.setattr(holding, "end_those_over", lambda posting: None)


def a_hold_raises_no_version(patch: pytest.MonkeyPatch) -> None:
    """The balance shows something else, and nobody can tell which is later."""
    happened = Posting.happened

    def silently(posting: Posting, of: WalletState, cause: str) -> None:
        version = of.version
        happened(posting, of, cause)
        if cause == holding.PLACED:
            of.version = version

    patch.setattr(Posting, "happened", silently)


def a_debt_is_not_repaid(patch: pytest.MonkeyPatch) -> None:
    """What comes in stays."""
    patch.setattr(disputing, "repay", lambda posting: None)


def a_debt_elsewhere_stops_nobody(patch: pytest.MonkeyPatch) -> None:
    """The account owes, and its other wallets spend."""
    patch.setattr(State, "in_debt", lambda state, account_id: False)


def a_clawback_leaves_what_was_moved(patch: pytest.MonkeyPatch) -> None:
    """Only the purchase's first lot, none that descends from it."""
    descent = disputing._descent

    def only_the_first(posting: Posting, command: AboutPayment) -> list[LotState]:
        return [lot for lot in descent(posting, command) if lot.origin_id is None]

    patch.setattr(disputing, "_descent", only_the_first)


def a_freeze_leaves_empty_lots(patch: pytest.MonkeyPatch) -> None:
    """What comes back to them can be spent."""
    freeze = disputing._set_frozen

    def unless_empty(posting: Posting, lots: list[LotState], *args: Any) -> None:
        freeze(posting, [lot for lot in lots if lot.remaining], *args)

    patch.setattr(disputing, "_set_frozen", unless_empty)


def a_refund_goes_to_the_first_drawn(patch: pytest.MonkeyPatch) -> None:
    """The wrong way round."""

    def first_first(posting: Posting, spent: Spent, amount: int) -> list[tuple[LotState, int]]:
        parts = []
        for lot in sorted((posting.state.lots[lot_id] for lot_id in spent.drawn), key=lambda lot: lot.order):
            part = min(amount, spent.drawn[lot.id] - spent.returned.get(lot.id, 0))
            if part:
                parts.append((lot, part))
                amount -= part
        return parts

    patch.setattr(refunding, "_unwound", first_first)


def a_lot_is_renewed_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """Credits without an end."""

    def renewable(lot: LotState, spent: Spent, reason: RefundReason, at: datetime) -> bool:
        return reason is RefundReason.RENDER_FAILED and at <= spent.at + refunding.RENEWED_WITHIN

    patch.setattr(refunding, "_renewable", renewable)


def whatever_comes_back_late_is_renewed(patch: pytest.MonkeyPatch) -> None:
    """For any reason."""
    renewable = refunding._renewable

    def for_any_reason(lot: LotState, spent: Spent, reason: RefundReason, at: datetime) -> bool:
        return renewable(lot, spent, RefundReason.RENDER_FAILED, at)

    patch.setattr(refunding, "_renewable", for_any_reason)


def more_is_refunded_than_was_spent(patch: pytest.MonkeyPatch) -> None:
    """What came back before is forgotten."""
    patch.setattr(Spent, "left", property(lambda spent: spent.credits))


def _split_with(patch: pytest.MonkeyPatch, **lost: Any) -> None:
    split = LotState.split

    def losing(lot: LotState, lot_id: str, **changes: Any) -> LotState:
        return split(lot, lot_id, **(changes | lost))

    patch.setattr(LotState, "split", losing)


def a_transfer_loses_the_price(patch: pytest.MonkeyPatch) -> None:
    """Bought credits arrive as if they had cost nothing."""
    _split_with(patch, paid_minor=0)


def a_transfer_loses_the_expiry(patch: pytest.MonkeyPatch) -> None:
    """They arrive for ever."""
    _split_with(patch, expires_at=None)


def a_transfer_forgets_the_payment(patch: pytest.MonkeyPatch) -> None:
    """No dispute finds them."""
    _split_with(patch, purchase_id=None)


def credits_never_go_home(patch: pytest.MonkeyPatch) -> None:
    """What is moved back gets a lot of its own."""
    patch.setattr(moving, "_ancestor_in", lambda *_: None)


def an_atomic_bulk_keeps_what_stood(patch: pytest.MonkeyPatch) -> None:
    """Some, and not all or none."""

    def some(posting: Posting, bulk: Bulk) -> list[rules.Decision]:
        return [rules.decide(posting, command) for command in bulk.commands]

    patch.setattr(rules, "_all_or_none", some)


def a_key_is_answered_whatever_is_asked(patch: pytest.MonkeyPatch) -> None:
    """Other content, the first answer."""

    def no_difference(key: Key, used: Used) -> str | None:
        return None

    patch.setattr(store, "difference", no_difference)


def suspended_accounts_spend(patch: pytest.MonkeyPatch) -> None:
    """The suspension is not looked at."""

    def nobody(of: WalletState) -> Refused | None:
        return None

    patch.setattr(spending, "not_suspended", nobody)


def a_wallet_holds_any_number(patch: pytest.MonkeyPatch) -> None:
    """Grants are not held against what a wallet can hold."""
    patch.setattr(giving, "holds_more", lambda *_, **__: None)


def time_runs_backwards(patch: pytest.MonkeyPatch) -> None:
    """A clock that was set back changes the order."""
    patch.setattr(WalletState, "posting_time", lambda wallet, now: now)


def a_freeze_is_not_written(patch: pytest.MonkeyPatch) -> None:
    """The rules change the lot and forget to say so."""

    def forgotten(posting: Posting, lots: list[LotState], purchase_id: str | None, cause: str) -> None:
        for lot in lots:
            lot.frozen_by = purchase_id
            posting.happened(posting.state.wallets[lot.wallet_id], cause)

    patch.setattr(disputing, "_set_frozen", forgotten)


def a_debt_outlives_what_comes_back(patch: pytest.MonkeyPatch) -> None:
    """All of it becomes credits, and whoever owed still owes as much."""
    give_back = disputing.give_back

    def as_if_nothing_was_owed(posting: Posting, command: GiveBack) -> Posted:
        wallet = posting.state.wallets[command.wallet_id]
        owed, wallet.debt = wallet.debt, 0
        posted = give_back(posting, command)
        wallet.debt = owed
        return posted

    patch.setattr(disputing, "give_back", as_if_nothing_was_owed)


def what_comes_back_can_be_spent_while_it_is_disputed(patch: pytest.MonkeyPatch) -> None:
    """The new lot is not frozen."""
    _split_with(patch, frozen_by=None)


MUTANTS: tuple[Mutant, ...] = (
    frozen_lots_are_spent,
    a_lot_lapses_a_moment_late,
    held_credits_are_spent,
    bought_credits_go_before_granted_ones,
    a_release_frees_the_first_lot,
    a_capture_costs_what_it_costs_today,
    a_hold_stands_past_its_end,
    a_hold_raises_no_version,
    a_debt_is_not_repaid,
    a_debt_elsewhere_stops_nobody,
    a_clawback_leaves_what_was_moved,
    a_freeze_leaves_empty_lots,
    a_freeze_is_not_written,
    a_debt_outlives_what_comes_back,
    what_comes_back_can_be_spent_while_it_is_disputed,
    a_refund_goes_to_the_first_drawn,
    a_lot_is_renewed_again_and_again,
    whatever_comes_back_late_is_renewed,
    more_is_refunded_than_was_spent,
    a_transfer_loses_the_price,
    a_transfer_loses_the_expiry,
    a_transfer_forgets_the_payment,
    credits_never_go_home,
    an_atomic_bulk_keeps_what_stood,
    a_key_is_answered_whatever_is_asked,
    suspended_accounts_spend,
    a_wallet_holds_any_number,
    time_runs_backwards,
)
