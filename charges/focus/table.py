"""The table of the documentation that says what becomes of each column; a test compares the two."""

from charges.focus.columns import COLUMNS, Column

HEADINGS = ("Column", "FOCUS", "Level", "May be empty", "Kept as", "Also read from")


def table() -> str:
    """Markdown, one row a column."""
    lines = [_line(HEADINGS), _line(["---"] * len(HEADINGS)), *(_line(_cells(column)) for column in COLUMNS)]
    return "\n".join(lines)


def _cells(column: Column) -> list[str]:
    versions = f"{column.since}, deprecated in {column.until}" if column.until else f"{column.since} on"
    return [
        column.name,
        versions,
        column.level,
        "yes" if column.nullable else "no",
        f"`{column.stored}`" if column.stored else _unstored(column),
        ", ".join(column.aliases) or "",
    ]


def _unstored(column: Column) -> str:
    return "read for who pays" if column.kind == "tags" else "in the received file"


def _line(cells: "list[str] | tuple[str, ...]") -> str:
    return f"| {' | '.join(cells)} |"
