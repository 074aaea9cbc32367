"""`/exports/…`: what the API gives links to. A link says who asked for what; whether they may is asked anew.

Nothing of it is kept by anybody in between, but the pictures: they are of months that are over.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.auth import caller_of
from app.exports import tables
from app.exports.drawing import MOST_ENTRIES, Paper, chart_as_png, paper_as_pdf
from app.exports.stream import TRY_AGAIN, Slots, Stream, TooMany, later
from credits.access.service import Access, standing_of
from credits.accounts.models import Account, Pool
from credits.accounts.queries import account_places, wallet_places
from credits.accounts.rules import Action, Place, may, visible
from credits.accounts.zones import Zones
from credits.errors import BadInput, CreditsError, Forbidden, NotFound, Unauthenticated, Unavailable
from credits.reports.entries import entries, of_filter, of_statement
from credits.reports.links import STATEMENT_CSV, STATEMENT_PDF, TRANSACTIONS, Asked, BadLink, Links
from credits.reports.months import Statement
from credits.reports.statements import Owner, owner_of, statement
from credits.reports.use import by_day, by_department, by_staging_type

# Each has a connection of its own to the database.
MOST_EXPORTS = 4
# Those share the processor with everything else.
MOST_DRAWN = 8
_AT_ONCE = 2
_PRIVATE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STATUS: dict[type[CreditsError], int] = {BadInput: 400, NotFound: 404, Unauthenticated: 401, Unavailable: 503}
_WORD = re.compile("[^A-Za-z0-9]+")

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True, kw_only=True)
class Exports:
    """The endpoints. `connect` opens a connection to the database beside the pool."""

    links: Links
    access: Access
    connect: tables.Connect
    under_way: Slots = field(default_factory=lambda: Slots(MOST_EXPORTS))
    asked_to_draw: Slots = field(default_factory=lambda: Slots(MOST_DRAWN))
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/exports/statement.csv", _answered(self.statement_csv)),
            Route("/exports/statement.pdf", _answered(self.statement_pdf)),
            Route("/exports/transactions", _answered(self.transactions)),
            Route("/exports/charts/{token}.png", _answered(self.picture)),
        ]

    async def statement_csv(self, request: Request) -> Response:
        """A statement with all of its transactions."""
        asked = await self._asked(request, STATEMENT_CSV)
        found, owner = await self._statement(asked)
        sql, values = of_statement(found, owner.zones)

        async def write(send: tables.Send) -> None:
            async with tables.reading(self.connect) as connection:
                await send(tables.head_of(found, owner))
                await tables.copy(connection, sql, values, send, header=False)
                await send(tables.foot_of(found))

        return Stream(write, self.under_way, headers=_csv(_file_of(found, owner, "csv")))

    async def statement_pdf(self, request: Request) -> Response:
        """A statement for people."""
        found, owner = await self._statement(await self._asked(request, STATEMENT_PDF))
        place = (await wallet_places([found.wallet_id]))[found.wallet_id]
        paper = Paper(
            owner=owner,
            statement=found,
            by_staging_type=await by_staging_type(found),
            by_department=await by_department(owner.account_id, owner.kind, place.pool_id, found.month),
            entries=await entries(found, limit=MOST_ENTRIES),
        )
        drawn = await self._drawn(lambda: paper_as_pdf(paper))
        headers = _PRIVATE | {"content-disposition": f'attachment; filename="{_file_of(found, owner, "pdf")}"'}
        return Response(drawn, media_type="application/pdf", headers=headers)

    async def transactions(self, request: Request) -> Response:
        """What a filter finds, oldest first."""
        asked = await self._asked(request, TRANSACTIONS)
        account_id, wallet_id = asked.claims["account"], asked.claims["wallet"]
        if wallet_id is None:
            await self._place(asked, (await account_places([account_id])).get(account_id), Action.EXPORT_ACCOUNT)
        else:
            await self._place(asked, (await wallet_places([wallet_id])).get(wallet_id), Action.EXPORT_WALLET)
        account = await Account.get(id=account_id)
        zones = Zones(name=account.time_zone, former=account.former_time_zone, since=account.time_zone_from)
        sql, values = of_filter(account_id, wallet_id, asked.chosen, zones)

        async def write(send: tables.Send) -> None:
            async with tables.reading(self.connect) as connection:
                await send(tables.MARK)
                await tables.copy(connection, sql, values, send, header=True)

        return Stream(write, self.under_way, headers=_csv(f"transactions-{_slug(account.name, account.id)}.csv"))

    async def picture(self, request: Request) -> Response:
        """The picture on a card about a month."""
        account_id, pool_id, month = self.links.read_chart(request.path_params["token"])
        used = await by_day(account_id, pool_id, month)
        name = (await Pool.get(id=pool_id)).name if pool_id else (await Account.get(id=account_id)).name
        drawn = await self._drawn(lambda: chart_as_png(name, month, used))
        return Response(drawn, media_type="image/png", headers=_PRIVATE | {"cache-control": "private, max-age=86400"})

    async def _asked(self, request: Request, what: str) -> Asked:
        """What the link says. Shown by somebody who says who they are, it has to be theirs."""
        asked = self.links.read(what, request.query_params.get("token", ""))
        caller = await caller_of(self.access, request.headers.get("authorization"))
        if caller is not None and caller.standing.actor != asked.actor:
            raise Forbidden("This link was given to somebody else. Ask for one of your own.")
        return asked

    async def _place(self, asked: Asked, place: Place | None, action: Action) -> Place:
        """The place, if whoever asked may still do this there."""
        standing = await standing_of(self.access, asked.actor)
        if place is None or not visible(standing, place):
            raise NotFound
        if not may(standing, action, place):
            raise Forbidden
        return place

    async def _statement(self, asked: Asked) -> tuple[Statement, Owner]:
        wallet_id = asked.claims["wallet"]
        await self._place(asked, (await wallet_places([wallet_id])).get(wallet_id), Action.SEE_STATEMENT)
        return await statement(wallet_id, asked.month), await owner_of(wallet_id)

    async def _drawn(self, draw: Callable[[], bytes]) -> bytes:
        """What is drawn in a thread, a few at once and not too many waiting."""
        with self.asked_to_draw.one():
            async with self.drawing:
                return await asyncio.to_thread(draw)


def _answered(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with every refusal told in a sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except BadLink as error:
            return _refused(str(error), 403)
        except TooMany:
            return later(TRY_AGAIN)
        except CreditsError as error:
            return _refused(str(error), _STATUS.get(type(error), 403))

    return answer


def _refused(message: str, status: int) -> Response:
    return PlainTextResponse(message, status_code=status, headers=_PRIVATE)


def _csv(name: str) -> dict[str, str]:
    disposition = f'attachment; filename="{name}"'
    return _PRIVATE | {"content-type": "text/csv; charset=utf-8", "content-disposition": disposition}


def _file_of(found: Statement, owner: Owner, form: str) -> str:
    return f"statement-{_slug(owner.name, found.wallet_id)}-{found.month:%Y-%m}.{form}"


def _slug(name: str, otherwise: str) -> str:
    """A name as files may be called everywhere."""
    return _WORD.sub("-", name).strip("-") or otherwise
