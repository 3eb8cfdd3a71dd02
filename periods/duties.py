"""Duties that one person must not combine, where the institution says so; off by default.

The stages ask here, so that no door lets one person do both. Cron without `--by` is nobody, and nobody is no other.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from periods.errors import Refused


@dataclass(frozen=True, slots=True)
class Duties:
    """Two parts of one piece of work, in words, and the setting that keeps them apart."""

    setting: str
    first: str
    second: str

    @property
    def are_separate(self) -> bool:
        return bool(getattr(settings, self.setting))

    @property
    def rule(self) -> str:
        return f"Whoever {self.first} must not {self.second}"

    def require_person(self, by: Any) -> None:
        if self.are_separate and by is None:
            raise Refused(f"{self.rule}: name who does it with --by.")

    def require_other(self, by: Any, *, than: int | None, what: str) -> None:
        """`than` is the id of who did the first part, `what` says what that was: “closed January 2025”."""
        self.require_person(by)
        if self.are_separate and by.pk == than:
            raise Refused(f"{self.rule}: {by} {what}, so somebody else has to go on.")


CLOSING = Duties("SEPARATE_CLOSER_FROM_FINALIZER", "closes a month", "finalize it")
ADJUSTING = Duties("SEPARATE_AUTHOR_FROM_APPROVER", "enters an adjustment or a dispute", "approve or decide it")
IMPORTING = Duties("SEPARATE_IMPORTER_FROM_REVIEWER", "imports charges", "review them")
ALL = (CLOSING, ADJUSTING, IMPORTING)
