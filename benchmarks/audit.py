"""How long `credits verify` takes for a million transactions, and how much memory.

    .venv/bin/python -m benchmarks.audit [transactions]

The command in a process of its own, on a database of its own (`tests/support/ledger.py` says what is in it). Wants
PostgreSQL on localhost, as the tests do.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time

from tests.support import servers
from tests.support.ledger import filled_ledger
from tests.support.service import environment_of


def verify(url: str) -> tuple[float, int]:
    """Seconds and peak kilobytes of `credits verify`; ends the benchmark where it finds anything."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": os.environ["PATH"], "CREDITS_DATA_DIR": folder, **environment_of(url)}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", "from app.cli import main; main()", "verify"], env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("The ledger of the benchmark is broken, or the command is.")
    return time.perf_counter() - began, usage.ru_maxrss


async def main(transactions: int) -> None:
    """Measure and print."""
    async with filled_ledger(servers.LOCAL_POSTGRES, "benchmark", transactions=transactions) as url:
        seconds, kilobytes = await asyncio.to_thread(verify, url)
    sys.stdout.write(
        f"{transactions:,} transactions: {seconds:.1f} s, {transactions / seconds * 60:,.0f} a minute; "
        f"at most {kilobytes / 1024:.0f} MiB in the process\n"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
