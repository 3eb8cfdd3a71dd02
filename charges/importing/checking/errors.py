"""What is wrong with one row: an error within the import only, which ends in quarantine."""

from decimal import Decimal


class BadRow(Exception):
    """A row for quarantine. `amounts` is empty where an amount is what cannot be read."""

    def __init__(self, column: str, value: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column, self.value, self.sentence = column, value, sentence
        self.amounts: dict[str, Decimal] = {}
