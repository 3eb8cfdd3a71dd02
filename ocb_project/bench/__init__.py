"""Measures the import beside what it is compared with, and the PDFs; all in one run, on this machine."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocb_project.bench.floors import psql_copy, sqlite_import
from ocb_project.bench.measuring import Figure, Usage, csv_alone, manage, run
from ocb_project.bench.month import write_month
from ocb_project.bench.rendering import START, rendering
from ocb_project.bench.servers import Server, postgresql
from periods.errors import Refused

STOCK_ROWS = 10_000
MILLION = 1_000_000
ROUNDS = 3
# The goals
CSV_TIMES, STOCK_TIMES, FLOOR_TIMES, PER_ROW_AT_A_MILLION, PEAK = 8, 25, 4, 1.3, 200


def bench(*, rows: int, full: bool, statements: int) -> Iterator[Figure]:
    """Raises Refused for too few to tell them from the start."""
    if rows <= 1 or statements <= START:
        raise Refused(f"Measure more than one row and {START} statements: that many measure the start.")
    with tempfile.TemporaryDirectory(prefix="ocb-bench-", ignore_cleanup_errors=True) as folder, postgresql() as server:
        Path(folder).chmod(0o755)
        yield from Importing(Path(folder), rows, server).figures(full=full)
        yield from rendering(Path(folder) / "pdf", statements)


class Importing:
    """Each figure is the least of some rounds in which all take their turn, as other work only adds; memory is the most."""

    def __init__(self, folder: Path, rows: int, server: Server | None) -> None:
        self.folder, self.rows, self.server = folder, rows, server
        self.file, self.one, self.changed = folder / "month.csv", folder / "one.csv", folder / "changed.csv"
        write_month(self.file, rows=rows)
        write_month(self.one, rows=1, month="2026-02")
        write_month(self.changed, rows=rows, changed_every=100)

    def figures(self, *, full: bool) -> Iterator[Figure]:
        rounds = [dict(self._round(self.folder / str(number))) for number in range(ROUNDS)]
        least = {name: self._least([found[name] for found in rounds]) for name in rounds[0]}
        csv, sqlite, served = least["csv"], least["sqlite"], least.get("postgresql")
        yield Figure("csv module alone", self.rows, csv.cpu)
        goal = f"≤ {CSV_TIMES} × csv ({sqlite.cpu / csv.cpu:.1f})"
        yield self._timed("import into SQLite", sqlite, goal, sqlite.cpu <= CSV_TIMES * csv.cpu)
        yield self._memory(sqlite, self.rows)
        again = least["again"]
        yield self._timed("the same again, 1 % changed", again, "no slower than the first", again.cpu <= sqlite.cpu)
        yield from self._stock(sqlite)
        yield self._floor("sqlite3 .import", least.get(".import"), sqlite)
        if served is None:
            yield Figure("PostgreSQL: not installed here", self.rows, None)
        else:
            yield self._timed("import into PostgreSQL, with its server", served, *_no_slower(served, sqlite))
            yield self._floor("psql \\copy, with its server", least.get("\\copy"), served)
        if full:
            yield from self._million(sqlite)

    def _round(self, folder: Path) -> Iterator[tuple[str, Usage]]:
        """What is not installed here is left out."""
        home = folder / "sqlite"
        yield "csv", csv_alone(self.file)
        yield "sqlite", self._engine(home, self.file)
        yield "again", self._import(home, self.changed)
        if floor := sqlite_import(self.file, folder / "floor.db"):
            yield ".import", floor
        if self.server is None:
            return
        with self.server.database() as url:
            yield "postgresql", self._engine(folder / "postgresql", self.file, DATABASE_URL=url)
            if floor := psql_copy(self.file, url, self.server):
                yield "\\copy", floor

    def _least(self, used: Sequence[Usage]) -> Usage:
        """Without the start, whose least is told apart: the round that started slowest is not the best of them."""
        start = min(usage.start for usage in used)
        cpu = sorted(usage.cpu - start for usage in used)
        return Usage(cpu[0], max(usage.peak for usage in used), most=cpu[-1])

    def _engine(self, home: Path, file: Path, **environment: str) -> Usage:
        manage("migrate", "--verbosity", "0", home=home, **environment)
        return self._import(home, file, **environment)

    def _import(self, home: Path, file: Path, **environment: str) -> Usage:
        """With the start of the command and of its connection apart, which a file of one row measures."""
        start = self._loading(self.one, "one", home, **environment)
        used = self._loading(file, "cloud", home, **environment)
        return Usage(used.cpu, used.peak, start=start.cpu)

    def _loading(self, file: Path, source: str, home: Path, **environment: str) -> Usage:
        """With the server's part where it is loaded into one."""
        server = self.server if environment else None
        before = server.cpu() if server else 0
        used = manage("import_focus", str(file), "--source", source, home=home, **environment)
        return Usage(used.cpu + (server.cpu() - before if server else 0), used.peak)

    def _stock(self, engine: Usage) -> Iterator[Figure]:
        few = self.folder / "few.csv"
        write_month(few, rows=STOCK_ROWS)
        program = [sys.executable, "-m", "ocb_project.bench.stock"]
        stock = run([*program, str(few)], OCB_HOME=str(self.folder / "stock"))
        times = (stock.cpu / STOCK_ROWS) / (engine.cpu / self.rows)
        goal = f"engine ≥ {STOCK_TIMES} × faster a row ({times:.0f})"
        yield Figure("stock import-export resource", STOCK_ROWS, stock.cpu, stock.peak, goal, times >= STOCK_TIMES)

    def _floor(self, label: str, floor: Usage | None, engine: Usage) -> Figure:
        if floor is None:
            return Figure(f"{label}: not installed here", self.rows, None)
        times = engine.cpu / floor.cpu
        goal = f"engine ≤ {FLOOR_TIMES} × this ({times:.1f})"
        return Figure(label, self.rows, floor.cpu, floor.peak, goal, times <= FLOOR_TIMES)

    def _million(self, few: Usage) -> Iterator[Figure]:
        file = self.folder / "million.csv"
        write_month(file, rows=MILLION)
        many = self._least([self._engine(self.folder / "million", file)])
        times = (many.cpu / MILLION) / (few.cpu / self.rows)
        yield Figure(
            "a million rows into SQLite",
            MILLION,
            many.cpu,
            many.peak,
            f"≤ {PER_ROW_AT_A_MILLION} × a row ({times:.2f})",
            times <= PER_ROW_AT_A_MILLION,
        )
        yield self._memory(many, MILLION)

    def _timed(self, label: str, used: Usage, goal: str, is_met: bool) -> Figure:  # noqa: FBT001
        return Figure(label, self.rows, used.cpu, used.peak, goal, is_met)

    def _memory(self, used: Usage, rows: int) -> Figure:
        return Figure("  its peak memory", rows, None, used.peak, f"< {PEAK} MiB", used.peak < PEAK)


def _no_slower(used: Usage, than: Usage) -> tuple[str, bool]:
    """A goal, with what the other's rounds differ from each other beside it; and whether it is met."""
    words = f"no slower than SQLite ({used.cpu / than.cpu:.2f}; itself to {than.most / than.cpu:.2f})"
    return words, used.cpu <= than.cpu
