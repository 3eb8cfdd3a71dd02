"""Some rows of a file: what the reader of files gives to the reader of rows."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from charges.importing.reading.coded import Coded, Selection


class Chunk:
    """Rows as cells or as columns, and the lines on which they begin, counted from 1, the header included."""

    def __init__(
        self,
        lines: Sequence[int],
        rows: list[list[str]] | None = None,
        *,
        columns: list[Coded[str]] | None = None,
        size: float = 0,
    ) -> None:
        self.lines = lines
        self.size = size  # bytes of the file, as packed, that were read for them
        if rows is not None:
            self.rows = rows
        if columns is not None:
            self.columns = columns

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def rows(self) -> list[list[str]]:
        return [list(cells) for cells in zip(*self.columns, strict=True)]

    @cached_property
    def columns(self) -> list[Coded[str]]:
        """Raises ValueError where a row has more cells than another."""
        return [Coded.of(cells) for cells in zip(*self.rows, strict=True)]

    @property
    def widths(self) -> set[int]:
        """Numbers of cells that rows have."""
        return {len(self.columns)} if "columns" in self.__dict__ else {*map(len, self.rows)}

    def row(self, at: int) -> list[str]:
        return self.rows[at] if "rows" in self.__dict__ else [column[at] for column in self.columns]

    def blank(self) -> list[int]:
        """The places of rows that say nothing in any cell."""
        if "rows" in self.__dict__:
            return [at for at, cells in enumerate(self.rows) if not "".join(cells).strip()]
        found = set(range(len(self)))
        for column in self.columns:
            found &= {*column.places(lambda text: not text.strip())}
            if not found:
                break
        return sorted(found)

    def parts(self, most: int) -> Iterator["Chunk"]:
        """Of as many rows at most."""
        if len(self) <= most:
            yield self
            return
        for start in range(0, len(self), most):
            part = self.part(slice(start, start + most))
            part.size = self.size * len(part) / len(self)
            yield part

    def where(self, wanted: Sequence[bool]) -> "Chunk":
        """The rows at which `wanted` is true."""
        some = Selection(wanted)
        if "columns" in self.__dict__:
            return Chunk(some.of(self.lines), columns=[*map(some.of, self.columns)])
        return Chunk(some.of(self.lines), some.of(self.rows))

    def part(self, part: slice) -> "Chunk":
        if "columns" in self.__dict__:
            return Chunk(self.lines[part], columns=[column[part] for column in self.columns])
        return Chunk(self.lines[part], self.rows[part])
