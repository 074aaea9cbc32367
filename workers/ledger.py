"""Jobs of the ledger."""

from credits.gateways.publisher import Publisher
from credits.ledger.sweeping import sweep_all
from workers.schedule import Job


def scheduled(publisher: Publisher) -> Job:
    """Books ended holds and lapsed lots soon after they count as such."""

    async def sweep() -> None:
        await sweep_all(publisher)

    return Job("sweep_wallets", every_s=5.0, work=sweep)
