"""PDFs of two pages with both charts: five services, thirty charges, and a month before. Starting is measured apart."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ocb_project.bench.measuring import Figure, Usage, manage, run
from ocb_project.bench.month import write_month

PDF_SECONDS, TWICE = 0.35, 1.6  # the goals
CHARGES = 30
BEFORE, STARTED, RENDERED = "2026-02", "2026-03", "2026-04"
START = 2  # statements of the month that measures the start: one for each process


def rendering(home: Path, statements: int) -> Iterator[Figure]:
    home.mkdir()
    manage("migrate", "--verbosity", "0", home=home)
    for month, count in ((BEFORE, statements), (STARTED, START), (RENDERED, statements)):
        _issue(home, month, count)
    twin = home.with_name(f"{home.name}-twin")
    shutil.copytree(home, twin)
    rendered, one, two = statements - START, _render(home, workers=1), _render(twin, workers=2)
    each = one.cpu / rendered
    goal = f"≤ {PDF_SECONDS} s each ({each:.2f})"
    yield Figure("statement PDFs, without the start", rendered, one.cpu, one.peak, goal, each <= PDF_SECONDS)
    times = one.wall / two.wall
    goal = f"≥ {TWICE} × as fast by the clock ({times:.2f})"
    yield Figure("  by two processes", rendered, two.cpu, two.peak, goal, times >= TWICE)
    plain = _plain(home, statements).without(_plain(home, START))
    yield Figure("  plain WeasyPrint, same HTML", rendered, plain.cpu, plain.peak, f"{plain.cpu / one.cpu:.2f} × ours")


def _issue(home: Path, month: str, statements: int) -> None:
    file = home / f"{month}.csv"
    write_month(file, rows=statements * CHARGES, projects=statements, month=month)
    manage("import_focus", str(file), "--source", "few", home=home)
    manage("close_period", month, home=home)
    manage("issue_statements", month, home=home)


def _render(home: Path, *, workers: int) -> Usage:
    start = manage("render_statements", STARTED, "--workers", str(workers), home=home)
    return manage("render_statements", RENDERED, "--workers", str(workers), home=home).without(start)


def _plain(home: Path, count: int) -> Usage:
    program = [sys.executable, "-m", "ocb_project.bench.plain", RENDERED, str(count)]
    return run(program, OCB_HOME=str(home), DJANGO_SETTINGS_MODULE="ocb_project.settings")
