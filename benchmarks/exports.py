"""How long a download of ten million transactions takes, and how much memory the process that serves it.

    .venv/bin/python -m benchmarks.exports [transactions]

On a database of its own. The process that serves also reads, so that what is counted is more than the service needs.
Wants PostgreSQL on localhost, as the tests do.
"""

import asyncio
import sys
import time

import httpx
import psutil

from tests.support import servers
from tests.support.exports import big_ledger, downloads

_MIB = 1024 * 1024


async def main(rows: int) -> None:
    """Fill, measure and print."""
    process = psutil.Process()
    lines, size, most = 0, 0, 0
    async with big_ledger(servers.LOCAL_POSTGRES, rows=rows) as big, downloads(big) as (url, _):
        async with httpx.AsyncClient(trust_env=False, timeout=600) as http, http.stream("GET", url) as response:
            before, began = process.memory_info().rss, time.perf_counter()
            async for part in response.aiter_bytes():
                lines += part.count(b"\n")
                size += len(part)
                most = max(most, process.memory_info().rss)
        seconds = time.perf_counter() - began
    if lines != rows + 1:
        raise SystemExit(f"{lines - 1:,} rows came, not {rows:,}.")
    sys.stdout.write(
        f"{rows:,} rows, {size / _MIB:,.0f} MiB: {seconds:.0f} s; at most {most / _MIB:.0f} MiB in the process, "
        f"{before / _MIB:.0f} MiB before\n"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
