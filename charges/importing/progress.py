"""How far the reading of a delivery is, told once a chunk.

How many rows a file has shows only at its end; how many bytes, at once. So time left is told by bytes, as packed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from charges.importing.reading.chunk import Chunk

Progress = Callable[[int, float], None]  # rows read so far, and the share of the delivery that they are: up to 1


class Meter:
    def __init__(self, tell: Progress | None) -> None:
        self.tell = tell
        self.rows, self.size, self.whole = 0, 0.0, 0

    def expect(self, files: Iterable[Path]) -> None:
        """An archive is named once for each of its members, and counts once."""
        self.whole = sum(file.stat().st_size for file in set(files))

    def add(self, chunk: Chunk) -> None:
        self.rows += len(chunk)
        self.size += chunk.size
        if self.tell:
            self.tell(self.rows, min(1.0, self.size / self.whole) if self.whole else 0.0)
