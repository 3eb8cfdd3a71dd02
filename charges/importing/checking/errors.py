"""What is wrong with one row: an error within the import only, which ends in quarantine."""

from collections.abc import Sequence
from decimal import Decimal


class BadRow(Exception):
    """A row for quarantine. `amounts` is empty where an amount is what cannot be read.

    Where many were looked at together, `rows` are all that it is true of; column and value are of one of them.
    """

    def __init__(self, column: str, value: str, sentence: str, rows: Sequence[int]) -> None:
        super().__init__(sentence)
        self.rows = rows
        self.column, self.value, self.sentence = column, value, sentence
        self.amounts: dict[str, Decimal] = {}
