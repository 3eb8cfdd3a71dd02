"""A PostgreSQL server for the time of a measurement, and what its processes used."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

OWNER = "postgres"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    pid: int

    def cpu(self) -> float:
        """CPU seconds of the server and of all processes that it ever had."""
        family = _family(self.pid)
        used = [_used(pid) for pid in reversed(family)]  # a process that ends counts for the first of them from then on
        return sum(used) if family == _family(self.pid) else self.cpu()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty one, which ends after use."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE round")
            try:
                yield f"{self.url.rpartition('/')[0]}/round"
            finally:
                connection.execute("DROP DATABASE round WITH (FORCE)")


@contextmanager
def postgresql() -> Iterator[Server | None]:
    """None where no server is installed."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        yield None
        return
    bin_, folder = binaries[-1].parent, Path(tempfile.mkdtemp(prefix="ocb-bench-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    data, port = folder / "data", _free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    _as_owner(bin_ / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C")
    _as_owner(bin_ / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        yield Server(f"postgres://{OWNER}@127.0.0.1:{port}/postgres", pid)
    finally:
        _as_owner(bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _as_owner(*command: object) -> None:
    """PostgreSQL does not run as root."""
    become: Sequence[str] = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
    subprocess.run([*become, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _used(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15])) / TICKS  # utime, stime, and the same of ended children
