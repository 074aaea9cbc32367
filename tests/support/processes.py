"""The service as processes of its own, to be stopped, killed and started again."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_COMMAND = (sys.executable, "-c", "from app.cli import main; main()")
READY_WITHIN_S = 60.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(port: int, data_dir: Path, **more: str) -> dict[str, str]:
    """What a process of the tests is told: nothing of the surroundings but the path."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(data_dir.parent),
        "PORT": str(port),
        "CREDITS_DATA_DIR": str(data_dir),
        **more,
    }


@dataclass(slots=True)
class Running:
    """A process of the service."""

    process: asyncio.subprocess.Process
    url: str
    data_dir: Path
    printed: Path

    def demo(self) -> dict[str, Any]:
        """What `demo.json` says."""
        found: dict[str, Any] = json.loads((self.data_dir / "demo.json").read_text())
        return found

    async def ready(self) -> None:
        """Wait until it answers; fails the test when it ends before, or does not within a minute."""
        async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                assert self.process.returncode is None, self.printed.read_text()
                try:
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.02)

    async def end(self, number: int = signal.SIGTERM, *, within_s: float = 30) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within_s)


def _log_file(command: str, port: int, data_dir: Path) -> Path:
    data_dir.mkdir(parents=True, exist_ok=True)
    return data_dir.parent / f"{command.split()[0]}-{port}.log"


async def start(command: str, port: int, data_dir: Path, **more: str) -> Running:
    """Start `credits <command>`, words and options, in a session of its own."""
    printed = _log_file(command, port, data_dir)
    with printed.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *command.split(),
            env=environment(port, data_dir, **more),
            cwd=Path(__file__).parents[2],
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Running(process, f"http://127.0.0.1:{port}", data_dir, printed)


@asynccontextmanager
async def started(command: str, data_dir: Path, *, port: int | None = None, **more: str) -> AsyncIterator[Running]:
    """The process, ready; ended with the block however it goes."""
    running = await start(command, port or free_port(), data_dir, **more)
    try:
        await running.ready()
        yield running
    finally:
        await running.end()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and all that it printed."""

    code: int
    printed: str


async def command(words: Sequence[str], folder: Path, port: int, **more: str) -> Ended:
    """Run `credits <words>` to its end."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        *words,
        env=environment(port, folder / "command", **more),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return Ended(process.returncode or 0, printed.decode())
