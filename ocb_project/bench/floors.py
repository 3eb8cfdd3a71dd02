"""The floor: the databases' own loaders, into a table of text without an index, a type or a check."""

import csv
import shutil
from pathlib import Path

from ocb_project.bench.measuring import Usage, run
from ocb_project.bench.servers import Server


def sqlite_import(file: Path, database: Path) -> Usage | None:
    """`.import` of the sqlite3 program; None where it is not installed."""
    program = shutil.which("sqlite3")
    if program is None:
        return None
    return run([program, str(database)], stdin=f".import --csv {file} floor\n")


def psql_copy(file: Path, url: str, server: Server) -> Usage | None:
    """The copy command of psql, with the server's part; None where it is not installed."""
    program = shutil.which("psql")
    if program is None:
        return None
    with file.open(newline="", encoding="utf-8") as opened:
        columns = ", ".join(f'"{name}" text' for name in next(csv.reader(opened)))
    commands = f"CREATE TABLE floor ({columns});\n\\copy floor FROM '{file}' (FORMAT csv, HEADER)\n"
    before = server.cpu()
    client = run([program, "--quiet", "--set=ON_ERROR_STOP=1", url], stdin=commands)
    return Usage(client.cpu + server.cpu() - before, client.peak)
