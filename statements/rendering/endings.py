"""When the grant ends: the days left, with a warning half a year, three months and a month before, and after it."""

from collections.abc import Iterator, Sequence
from datetime import date

from django.utils import timezone

from statements.models import Statement, StatementLine
from statements.rendering.context import Ending

WARNED = (30, 90, 180)  # days before the end


def endings(statement: Statement, lines: Sequence[StatementLine]) -> list[Ending]:
    """Of the project (its tag `end_date`), and of the funds that end within half a year, the nearest first."""
    today = timezone.localdate(statement.issued_at)  # of a draft, now
    project, funds = statement.project, {line.funding_account for line in lines if line.funding_account}
    found = [
        *_ending(f"Project {project}", project.end_date, today),
        *(end for fund in funds for end in _ending(f"Fund {fund}", fund.valid_until, today) if end.warning is not None),
    ]
    return sorted(found, key=lambda ending: (ending.last_day, ending.what))


def _ending(what: str, last_day: date | None, today: date) -> Iterator[Ending]:
    if last_day:
        days = (last_day - today).days
        within = next((limit for limit in WARNED if days <= limit), None)
        yield Ending(what, last_day, days, 0 if days < 0 else within)
