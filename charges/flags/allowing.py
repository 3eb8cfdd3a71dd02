"""Which fund codes may be charged, and when: a list that finance gives, where staff have switched it on."""

from datetime import date

from charges.models import AllowedFund

Dates = tuple[date | None, date | None]


class AllowList:
    """Read once; thousands of codes are looked up in memory."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.dates: dict[str, Dates] = {}
        if is_on:
            rows = AllowedFund.objects.values_list("code", "valid_from", "valid_until")
            self.dates = {code: (first, last) for code, first, last in rows.iterator(chunk_size=5000)}

    def objection(self, code: str, day: date | None) -> str:
        """Why the code may not be charged for that day, in words; empty where it may."""
        if not self.is_on or not code:
            return ""
        if code not in self.dates:
            return f"{code} is not in the allow-list."
        first, last = self.dates[code]
        if day and first and day < first:
            return f"The allow-list has {code} from {first} on; the charge is of {day}."
        if day and last and day > last:
            return f"The allow-list has {code} until {last}; the charge is of {day}."
        return ""
