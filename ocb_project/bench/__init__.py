"""Measures the import beside what it is compared with, and the PDFs; all in one run, on this machine."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocb_project.bench.floors import psql_copy, sqlite_import
from ocb_project.bench.measuring import Figure, Usage, csv_alone, manage, run
from ocb_project.bench.month import write_month
from ocb_project.bench.rendering import rendering
from ocb_project.bench.servers import Server, postgresql

STOCK_ROWS = 10_000
MILLION = 1_000_000
# The goals
CSV_TIMES, STOCK_TIMES, FLOOR_TIMES, PER_ROW_AT_A_MILLION, PEAK = 8, 25, 4, 1.3, 200


def bench(*, rows: int, full: bool, statements: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="ocb-bench-", ignore_cleanup_errors=True) as folder, postgresql() as server:
        Path(folder).chmod(0o755)
        yield from Importing(Path(folder), rows, server).figures(full=full)
        yield from rendering(Path(folder) / "pdf", statements)


class Importing:
    """Each figure needs those before it: the ratios are of one run."""

    def __init__(self, folder: Path, rows: int, server: Server | None) -> None:
        self.folder, self.rows, self.server = folder, rows, server
        self.file, self.one = folder / "month.csv", folder / "one.csv"
        write_month(self.file, rows=rows)
        write_month(self.one, rows=1, month="2026-02")

    def figures(self, *, full: bool) -> Iterator[Figure]:
        csv_cpu = csv_alone(self.file)
        sqlite = self._engine(self.folder / "sqlite", self.file)
        csv_cpu = (csv_cpu + csv_alone(self.file)) / 2  # the machine may have changed its mind meanwhile
        yield Figure("csv module alone", self.rows, csv_cpu)
        yield self._timed(
            "import into SQLite",
            sqlite,
            f"≤ {CSV_TIMES} × csv ({sqlite.cpu / csv_cpu:.1f})",
            sqlite.cpu <= CSV_TIMES * csv_cpu,
        )
        yield self._memory(sqlite, self.rows)
        again = self._again()
        yield self._timed("the same again, 1 % changed", again, "no slower than the first", again.cpu <= sqlite.cpu)
        yield from self._stock(sqlite)
        yield from self._floor("sqlite3 .import", sqlite_import(self.file, self.folder / "floor.db"), sqlite)
        yield from self._postgresql(sqlite)
        if full:
            yield from self._million(sqlite)

    def _engine(self, home: Path, file: Path, **environment: str) -> Usage:
        """Without the start of the command, which a file of one row measures."""
        manage("migrate", "--verbosity", "0", home=home, **environment)
        start = manage("import_focus", str(self.one), "--source", "one", home=home, **environment)
        used = manage("import_focus", str(file), "--source", "cloud", home=home, **environment)
        return Usage(used.cpu - start.cpu, used.peak)

    def _again(self) -> Usage:
        changed = self.folder / "changed.csv"
        write_month(changed, rows=self.rows, changed_every=100)
        home = self.folder / "sqlite"
        start = manage("import_focus", str(self.one), "--source", "one", home=home)
        used = manage("import_focus", str(changed), "--source", "cloud", home=home)
        return Usage(used.cpu - start.cpu, used.peak)

    def _stock(self, engine: Usage) -> Iterator[Figure]:
        few = self.folder / "few.csv"
        write_month(few, rows=STOCK_ROWS)
        program = [sys.executable, "-m", "ocb_project.bench.stock"]
        stock = run([*program, str(few)], OCB_HOME=str(self.folder / "stock"))
        times = (stock.cpu / STOCK_ROWS) / (engine.cpu / self.rows)
        goal = f"engine ≥ {STOCK_TIMES} × faster a row ({times:.0f})"
        yield Figure("stock import-export resource", STOCK_ROWS, stock.cpu, stock.peak, goal, times >= STOCK_TIMES)

    def _floor(self, label: str, floor: Usage | None, engine: Usage) -> Iterator[Figure]:
        if floor is None:
            yield Figure(f"{label}: not installed here", self.rows, None)
            return
        times = engine.cpu / floor.cpu
        yield Figure(
            label,
            self.rows,
            floor.cpu,
            floor.peak,
            f"engine ≤ {FLOOR_TIMES} × this ({times:.1f})",
            times <= FLOOR_TIMES,
        )

    def _postgresql(self, sqlite: Usage) -> Iterator[Figure]:
        if self.server is None:
            yield Figure("PostgreSQL: not installed here", self.rows, None)
            return
        home, database = self.folder / "postgresql", {"DATABASE_URL": self.server.url}
        manage("migrate", "--verbosity", "0", home=home, **database)
        start, served = (
            manage("import_focus", str(self.one), "--source", "one", home=home, **database),
            self.server.cpu(),
        )
        used = manage("import_focus", str(self.file), "--source", "cloud", home=home, **database)
        engine = Usage(used.cpu - start.cpu + self.server.cpu() - served, used.peak)
        yield self._timed(
            "import into PostgreSQL, with its server", engine, "no slower than SQLite", engine.cpu <= sqlite.cpu
        )
        yield from self._floor("psql \\copy, with its server", psql_copy(self.file, self.server), engine)

    def _million(self, few: Usage) -> Iterator[Figure]:
        file = self.folder / "million.csv"
        write_month(file, rows=MILLION)
        many = self._engine(self.folder / "million", file)
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
