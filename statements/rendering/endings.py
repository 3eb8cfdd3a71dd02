"""What the grant's end asks of the PI: told half a year, three months and a month before, and after it."""

from collections.abc import Iterator, Sequence
from datetime import date

from django.utils import timezone

from charges.models import Project
from statements.models import Statement, StatementLine
from statements.rendering.context import Ending

WARNED = (30, 90, 180)  # days before the end


def endings(statement: Statement, lines: Sequence[StatementLine]) -> list[Ending]:
    """Of the project (its tag `end_date`) and of the funds that the statement charges, the nearest first."""
    today = timezone.localdate(statement.issued_at)  # of a draft, now
    found = (_ending(what, last_day, today) for what, last_day in _ends(statement.project, lines))
    return sorted((ending for ending in found if ending), key=lambda ending: (ending.last_day, ending.what))


def _ends(project: Project, lines: Sequence[StatementLine]) -> Iterator[tuple[str, date | None]]:
    yield f"Project {project}", project.end_date
    funds = {line.funding_account for line in lines if line.funding_account}
    for fund in sorted(funds, key=str):
        yield f"Fund {fund}", fund.valid_until


def _ending(what: str, last_day: date | None, today: date) -> Ending | None:
    days = (last_day - today).days if last_day else max(WARNED) + 1
    within = next((limit for limit in WARNED if days <= limit), None)
    return Ending(what, last_day, days, 0 if days < 0 else within) if last_day and within else None
