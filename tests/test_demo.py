"""`credits demo` as a new user meets it: one command, embedded PostgreSQL, and a clean end."""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.processes import Running, free_port, start, started

TOKENS = {
    "owner",
    "auditor",
    "member",
    "pool_admin",
    "department_member",
    "approver",
    "deputy",
    "operator",
    "service",
    "api_key",
    "other_owner",
}
VIEWER = "{ viewer { operator user { email } accounts { id totalAvailable wallet { balance { available } } } } }"
SPEND = """mutation ($wallet: ID!, $key: String!) {
  deductCredits(input: {walletId: $wallet, stagingType: "BASIC_ROOM", idempotencyKey: $key}) {
    transaction { id } replayed userErrors { code }
  }
}"""


async def ask(running: Running, token: str, query: str, **variables: Any) -> dict[str, Any]:
    demo = running.demo()
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            demo["graphql"],
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {demo['tokens'][token]}"},
        )
    body: dict[str, Any] = answer.json()
    return body


def postgres_of(data_dir: Path) -> list[int]:
    """Every process of a PostgreSQL that runs on this data folder."""
    return [
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres" and any(str(data_dir) in part for part in process.info["cmdline"] or ())
    ]


async def test_one_command_gives_a_running_enterprise_and_a_second_start_seeds_nothing(open_path: Path) -> None:
    data_dir = open_path / "data with a space"
    async with started("demo", data_dir) as first:
        demo = first.demo()
        answers = {name: await ask(first, name, VIEWER) for name in TOKENS}
        spent = await ask(first, "owner", SPEND, wallet=demo["wallets"]["department"], key="k")
    assert postgres_of(data_dir) == []

    async with started("demo", data_dir) as second:
        again = second.demo()
        replayed = await ask(second, "owner", SPEND, wallet=demo["wallets"]["department"], key="k")
        owner = await ask(second, "owner", VIEWER)

    assert set(demo["tokens"]) == TOKENS
    assert set(demo["wallets"]) == {"account", "pool", "department", "sibling_department", "other"}
    assert answers["operator"]["data"]["viewer"]["operator"] is True
    assert [account["id"] for account in answers["owner"]["data"]["viewer"]["accounts"]] == [demo["accounts"]["demo"]]
    assert [account["id"] for account in answers["api_key"]["data"]["viewer"]["accounts"]] == [demo["accounts"]["demo"]]
    assert answers["service"]["data"]["viewer"]["accounts"] == []
    for part in ("accounts", "wallets", "pools", "departments", "users"):
        assert again[part] == demo[part]
    assert replayed["data"]["deductCredits"] == {
        "transaction": spent["data"]["deductCredits"]["transaction"],
        "replayed": True,
        "userErrors": [],
    }
    opening = 1_000 + 400 + 120 + 60
    assert owner["data"]["viewer"]["accounts"][0]["totalAvailable"] == opening - 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_everything_with_a_socket_open(open_path: Path, number: int) -> None:
    running = await start("demo", free_port(), open_path / "data")
    await running.ready()
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: x\r\n")
    await writer.drain()

    code = await running.end(number, within_s=10)
    writer.close()

    assert code == 0
    assert postgres_of(running.data_dir) == []


async def test_after_kill_9_the_next_start_works_and_its_end_leaves_no_postgres(open_path: Path) -> None:
    data_dir = open_path / "data"
    killed = await start("demo", free_port(), data_dir)
    await killed.ready()
    wallet = killed.demo()["wallets"]["department"]
    before = await ask(killed, "owner", SPEND, wallet=wallet, key="k")
    await killed.end(signal.SIGKILL)
    assert postgres_of(data_dir) != []

    async with started("demo", data_dir) as running:
        after = await ask(running, "owner", SPEND, wallet=wallet, key="k")

    assert after["data"]["deductCredits"]["replayed"] is True
    assert after["data"]["deductCredits"]["transaction"] == before["data"]["deductCredits"]["transaction"]
    assert postgres_of(data_dir) == []


async def test_a_busy_port_is_told_with_the_way_to_choose_another(open_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        running = await start("demo", port, open_path / "data")
        code = await asyncio.wait_for(running.process.wait(), 30)

    assert code == 2
    assert f"PORT={port + 1}" in running.printed.read_text()
    assert postgres_of(running.data_dir) == []


async def test_a_token_is_printed_without_a_running_service(open_path: Path) -> None:
    async with started("demo", open_path / "data") as running:
        process = await asyncio.create_subprocess_exec(
            *_token_command("member@demo.example"),
            env={"PATH": "/usr/bin:/bin", "CREDITS_DATA_DIR": str(running.data_dir)},
            cwd=Path(__file__).parents[1],
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"{running.url}/graphql",
                json={"query": VIEWER},
                headers={"authorization": f"Bearer {printed.decode().strip()}"},
            )

    assert answer.json()["data"]["viewer"]["user"]["email"] == "member@demo.example"


def _token_command(email: str) -> list[str]:
    return [sys.executable, "-c", "from app.cli import main; main()", "token", email]
