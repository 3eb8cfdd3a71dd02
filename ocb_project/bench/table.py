"""The figures as people read them, and where they were taken."""

import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import django
from django.utils import timezone

from ocb_project.bench.measuring import Figure

HEADINGS = ("", "rows", "CPU s", "rows a CPU s", "peak MiB", "goal", "")


def lines(figures: Iterable[Figure]) -> Iterator[str]:
    """A Markdown table that is aligned for a terminal too."""
    widths = (42, 9, 8, 12, 8, 44, 6)
    yield _line(HEADINGS, widths)
    yield _line([":---", "---:", "---:", "---:", "---:", ":---", ":---"], widths)
    for figure in figures:
        yield _line(_cells(figure), widths)


def place() -> str:
    """Machine, versions and date."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    postgres = _version([str(servers[-1]), "--version"]) if servers else "none"
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, Django {django.__version__}, "
        f"SQLite {sqlite3.sqlite_version}, PostgreSQL {postgres}; {timezone.localdate().isoformat()}"
    )


def _cells(figure: Figure) -> list[str]:
    verdict = {True: "met", False: "missed", None: ""}[figure.is_met]
    cpu = "" if figure.cpu is None else f"{figure.cpu:.2f}"
    rate = "" if not figure.cpu else f"{figure.rows / figure.cpu:,.0f}"
    return [
        figure.label,
        f"{figure.rows:,}",
        cpu,
        rate,
        f"{figure.peak:.0f}" if figure.peak else "",
        figure.goal,
        verdict,
    ]


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _processor() -> str:
    found = (
        re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    return found[1] if found else platform.processor() or platform.machine()


def _version(command: list[str]) -> str:
    output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"[\d.]+", output)
    return found[0] if found else "?"
