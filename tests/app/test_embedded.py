"""The embedded PostgreSQL, a real one: what it keeps, whom it refuses, and what a kill -9 leaves behind.

Other processes of the service are other Python processes here, each with a server of its own to start.
"""

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

from app.embedded import EmbeddedPostgresError, start

PROJECT = Path(__file__).parents[2]
# Starts a server as the given user, says where, and stops it when its own input ends.
SERVICE = """
import os, pathlib, sys
from app.embedded import start
if sys.argv[2:]:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
server = start(pathlib.Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def place(open_path: Path) -> Iterator[Path]:
    yield open_path
    kill(servers(open_path))


@pytest.fixture
def data(place: Path) -> Path:
    return place / "data"


def servers(folder: Path) -> list[psutil.Process]:
    """The servers at work in the folder, with all their processes."""
    found = []
    for leader in psutil.process_iter():
        with suppress(psutil.Error):
            name, words = leader.name(), leader.cmdline()
            if name == "postgres" and words[1:2] == ["-D"] and Path(words[2]).is_relative_to(folder):
                found += [leader, *leader.children()]
    return found


def kill(processes: list[psutil.Process]) -> None:
    send(signal.SIGKILL, processes)
    assert in_time(lambda: all(gone(process) for process in processes))


def send(order: signal.Signals, processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(order)


def gone(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def in_time(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@contextmanager
def service(data: Path, *, user: pwd.struct_passwd | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process of the service, in a process group of its own, and the address of its server."""
    as_user = [str(user.pw_uid), str(user.pw_gid)] if user else []
    command = [sys.executable, "-c", SERVICE, str(data), *as_user]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 ourselves
        command, stdin=pipe, stdout=pipe, text=True, cwd=PROJECT, start_new_session=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(20)


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def socket(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"


async def test_a_server_answers_at_its_address_until_it_is_stopped(data: Path) -> None:
    server = start(data)

    answer = await ask(server.url, "SELECT current_database() || ' in ' || current_setting('data_directory')")
    server.stop()
    server.stop()

    assert answer == f"credits in {data / 'postgres'}"
    assert servers(data) == []


async def test_an_answer_means_that_it_is_on_the_disk(data: Path) -> None:
    server = start(data)

    switches = [await ask(server.url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    server.stop()

    assert switches == ["on", "on", "on"]


async def test_nobody_reaches_it_over_the_network_or_as_another_user(data: Path) -> None:
    server = start(data)

    addresses = await ask(server.url, "SHOW listen_addresses")
    ways = (data / "postgres", socket(server.url).parent, socket(server.url))
    modes = [path.stat().st_mode & 0o777 for path in ways]
    server.stop()

    assert addresses == ""
    assert modes == [0o700, 0o700, 0o700]


async def test_what_was_written_is_there_after_a_stop_and_a_start(data: Path) -> None:
    first = start(data)
    await ask(first.url, "CREATE TABLE kept AS SELECT 7 AS credits")
    first.stop()

    second = start(data)
    kept = await ask(second.url, "SELECT credits FROM kept")
    second.stop()

    assert kept == 7


async def test_a_missing_database_is_made_beside_the_others(data: Path) -> None:
    first = start(data)
    await ask(first.url, "CREATE TABLE kept AS SELECT 7 AS credits")
    first.stop()

    second = start(data, 'another "one"')
    names = await ask(second.url, "SELECT array_agg(datname ORDER BY datname) FROM pg_database WHERE NOT datistemplate")
    second.stop()

    assert names == ['another "one"', "credits", "postgres"]


@pytest.mark.parametrize(
    "name",
    ["with spaces", 'it\'s "quoted"', "Übergrößen", "a,comma", "$HOME `id` 100%", "deep/" + "long" * 30],
)
async def test_the_folder_may_have_any_name(place: Path, name: str) -> None:
    server = start(place / name)

    answer = await ask(server.url, "SELECT 1")
    server.stop()

    assert answer == 1
    assert (place / name / "postgres" / "PG_VERSION").exists()
    assert servers(place / name) == []


async def test_a_server_left_by_a_killed_service_is_taken_over_and_stopped(data: Path) -> None:
    with service(data) as (process, url):
        await ask(url, "CREATE TABLE kept AS SELECT 7 AS credits")
        process.kill()
        process.wait()
    orphans = servers(data)

    server = start(data)
    kept = await ask(server.url, "SELECT credits FROM kept")
    taken_over = set(orphans) & set(servers(data))
    server.stop()

    assert kept == 7
    assert taken_over
    assert servers(data) == []


async def test_a_folder_moved_under_a_left_server_is_started_anew(data: Path, place: Path) -> None:
    with service(data) as (process, url):
        await ask(url, "CREATE TABLE kept AS SELECT 7 AS credits")
        process.kill()
        process.wait()
    moved = place / "moved"
    os.rename(data, moved)

    server = start(moved)
    kept = await ask(server.url, "SELECT credits FROM kept")
    server.stop()

    assert kept == 7
    assert servers(data) == servers(moved) == []


async def test_a_ctrl_c_in_the_terminal_is_for_the_service_and_not_for_its_server(data: Path) -> None:
    with service(data) as (process, url):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)

        answer = await ask(url, "SELECT 1")
    start(data).stop()

    assert answer == 1
    assert servers(data) == []


async def test_a_folder_in_use_is_refused_and_its_server_left_alone(data: Path) -> None:
    with service(data) as (_, url):
        with pytest.raises(EmbeddedPostgresError) as refusal:
            start(data)

        answer = await ask(url, "SELECT 1")

    assert str(refusal.value) == (
        f"{data} is in use by another process of the service. Stop it, or set CREDITS_DATA_DIR to another folder."
    )
    assert answer == 1
    assert servers(data) == []


async def test_the_number_of_a_crashed_server_may_be_another_programs_by_now(data: Path) -> None:
    first = start(data)
    await ask(first.url, "CREATE TABLE kept AS SELECT 7 AS credits")
    kill(servers(data))
    first.stop()
    with stranger(data) as process:
        for file in (data / "postgres" / "postmaster.pid", socket(first.url).with_name(".s.PGSQL.5432.lock")):
            file.write_text("\n".join([str(process.pid), *file.read_text().split("\n")[1:]]))

        second = start(data)
        kept = await ask(second.url, "SELECT credits FROM kept")
        second.stop()
        survived = process.poll() is None

    assert kept == 7
    assert survived
    assert servers(data) == []


async def test_the_server_of_another_folder_is_not_taken_for_ours(data: Path, place: Path) -> None:
    other = start(place / "other")
    start(data).stop()
    (data / "postgres" / "postmaster.pid").write_bytes((other.data / "postgres" / "postmaster.pid").read_bytes())

    server = start(data)
    folder = await ask(server.url, "SHOW data_directory")
    server.stop()
    answer = await ask(other.url, "SELECT 1")
    other.stop()

    assert folder == str(data / "postgres")
    assert answer == 1


def test_a_server_that_does_not_listen_is_stopped_all_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = [(order, 0.3) for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)]
    monkeypatch.setattr("app.embedded._WAYS_TO_STOP", impatient)
    server = start(data)
    processes = servers(data)
    send(signal.SIGSTOP, processes)

    server.stop()
    send(signal.SIGCONT, processes)

    assert len(processes) > 1
    assert in_time(lambda: all(gone(process) for process in processes))


def test_a_server_that_cannot_come_up_shows_the_end_of_its_log_and_frees_the_folder(data: Path) -> None:
    start(data).stop()
    (data / "postgres" / "global" / "pg_control").unlink()

    refusals = []
    for _ in range(2):
        with pytest.raises(EmbeddedPostgresError) as refusal:
            start(data)
        refusals.append(str(refusal.value))

    assert all("could not find the database system" in text for text in refusals)
    assert servers(data) == []


async def test_files_half_made_by_a_killed_service_are_made_anew(data: Path) -> None:
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new" / "PG_VERSION").write_text("18\n")

    server = start(data)
    answer = await ask(server.url, "SELECT 1")
    server.stop()

    assert answer == 1
    assert not (data / "postgres.new").exists()


async def test_the_loop_is_free_while_a_server_starts_in_a_thread(data: Path) -> None:
    starting = asyncio.create_task(asyncio.to_thread(start, data))

    turns = 0
    while not starting.done():
        await asyncio.sleep(0.01)
        turns += 1
    await asyncio.to_thread(starting.result().stop)

    assert turns > 5


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become another user; the other tests ran as an ordinary one"
)
async def test_an_ordinary_user_runs_it_as_themselves() -> None:
    nobody = pwd.getpwnam("nobody")
    with folder_of(nobody) as data:
        with service(data, user=nobody) as (_, url):
            answer = await ask(url, "SELECT 1")
            owner = servers(data)[0].uids().real

        assert answer == 1
        assert owner == nobody.pw_uid
        assert servers(data) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may not run PostgreSQL")
async def test_root_runs_it_as_another_user_who_may_only_pass_through_the_folders_above(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)

    server = start(closed / "data")
    answer = await ask(server.url, "SELECT 1")
    owner = servers(server.data)[0].uids().real
    server.stop()

    assert answer == 1
    assert owner == pwd.getpwnam("pgserver").pw_uid
    assert closed.stat().st_mode & 0o777 == 0o701


@contextmanager
def folder_of(user: pwd.struct_passwd) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, user.pw_uid, user.pw_gid)
        yield Path(name).resolve()


@contextmanager
def stranger(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the server's own user, so that the server would see it."""
    user = (data / "postgres").stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=user) as process:  # noqa: S607 whichever sleep there is
        try:
            yield process
        finally:
            process.kill()
