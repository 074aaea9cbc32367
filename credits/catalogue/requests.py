"""Asking for a price: kept, and told to the platform's staff, in one commit."""

from datetime import timedelta

from tortoise.transactions import in_transaction

from credits import operators, outbox
from credits.access.queries import names
from credits.accounts.models import Account, User
from credits.actors import Actor
from credits.catalogue.models import QuoteRequest
from credits.catalogue.rules import fewest_agreed
from credits.catalogue.service import packages
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.ids import Kind, make_id
from credits.ledger.commands import check_amount
from credits.ledger.queries import now
from credits.operators import Notice
from credits.text import clean

# So many different ones an account may ask within that time; nobody floods whoever answers.
AT_MOST = 3
WITHIN = timedelta(hours=1)


async def request_quote(actor: Actor, account_id: str, *, credits_wanted: int, note: str | None) -> None:
    """Ask the platform's staff what so many credits would cost the account. The same within an hour is asked once.
    Refused: other than 1 to 1,000,000,000 credits, a note of over 500 characters, fewer credits than prices are agreed
    for (BELOW_MINIMUM), and the fourth different question of an account within an hour (WRONG_STATE)."""
    check_amount(credits_wanted, field="credits")
    said = (clean(note, field="note", lines=True) or "").strip() or None
    fewest = fewest_agreed(await packages())
    if credits_wanted < fewest:
        raise Refusal(
            RefusalCode.BELOW_MINIMUM,
            f"Prices are agreed for {fewest:,} credits or more. The query packages lists what there is for fewer.",
            field="credits",
        )
    # Made once: after a commit whose answer was lost it is found to be asked.
    wanted = QuoteRequest(
        id=make_id(Kind.QUOTE_REQUEST),
        account_id=account_id,
        requested_by_kind=actor.kind,
        requested_by_id=actor.id,
        credits=credits_wanted,
        note=said,
    )
    requester = await _name_of(actor)

    async def work() -> None:
        async with in_transaction() as connection:
            account = await Account.filter(id=account_id).using_db(connection).select_for_update(no_key=True).first()
            if account is None:
                raise NotFound
            wanted.created_at = await now()
            lately = QuoteRequest.filter(account_id=account_id, created_at__gt=wanted.created_at - WITHIN)
            before = await lately.using_db(connection)
            if any((row.credits, row.note) == (credits_wanted, said) for row in before):
                return
            if len(before) >= AT_MOST:
                raise Refusal(
                    RefusalCode.WRONG_STATE,
                    f"This account has asked {AT_MOST} times within an hour. Wait for the answer, or ask later.",
                )
            await wanted.save(using_db=connection, force_create=True)
            await outbox.add(connection, [operators.message(_notice(wanted, account.name, requester))])

    await trying_again(work)


async def _name_of(actor: Actor) -> str:
    person = await User.get_or_none(id=actor.id)
    return person.name if person else (await names([actor.id])).get(actor.id, "An integration")


def _notice(asked: QuoteRequest, account: str, requester: str) -> Notice:
    return Notice(
        occasion=f"quote:{asked.id}",
        account_id=asked.account_id,
        title="A price is asked for",
        text=f"Agree with them on a price, and let the account have it by setPriceAgreement: {asked.account_id}.",
        fields=(("Account", account), ("Asked by", requester), ("Credits", f"{asked.credits:,}")),
        quote=asked.note,
    )
