"""CPU seconds and peak memory of processes. CPU, because wall time depends on who else works on the machine."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from periods.errors import Refused

MEBIBYTE = 1024  # ru_maxrss counts kibibytes


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: float  # seconds, user and system
    peak: float = 0  # MiB
    wall: float = 0  # seconds by the clock
    start: float = 0  # CPU seconds of the start alone, where it was measured apart
    most: float = 0  # CPU seconds of the round that took most, where there were several

    def without(self, start: "Usage") -> "Usage":
        return Usage(self.cpu - start.cpu, self.peak, self.wall - start.wall)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `rows` over `cpu` is the rate; `goal` says what was wanted, `is_met` whether it was."""

    label: str
    rows: int
    cpu: float | None
    peak: float = 0
    goal: str = ""
    is_met: bool | None = None


def run(command: Sequence[str], *, stdin: str = "", **environment: str) -> Usage:
    """What a process of its own took. Raises Refused with its output where it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=inherited | environment, stdin=given, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise Refused(log.read().decode())
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss / MEBIBYTE, time.monotonic() - began)


def manage(*arguments: str, home: Path, **environment: str) -> Usage:
    return run([sys.executable, "manage.py", *arguments], OCB_HOME=str(home), **environment)


def csv_alone(file: Path) -> Usage:
    """Reading the cells and doing nothing with them."""
    start = time.process_time()
    with file.open(newline="", encoding="utf-8") as opened:
        for _ in csv.reader(opened):
            pass
    return Usage(time.process_time() - start)
