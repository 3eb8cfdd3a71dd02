"""How the month compares: the eleven before it, and the fiscal year so far."""

from collections.abc import Mapping
from decimal import Decimal

from babel.dates import format_date
from django.conf import settings
from django.db.models import Q, Sum

from charges.money import ZERO, total
from periods.calendar import first_day, previous_month
from statements.models import Statement
from statements.rendering.context import FiscalYear, History, TrendMonth

MONTHS = 12
HEIGHT = 1000  # of the chart's highest column
Figures = tuple[Decimal, Decimal]  # list, due
NOTHING: Figures = (ZERO, ZERO)


def history(statement: Statement) -> History:
    """From the statements that are current now, in the same currency; of merged PIs and projects together."""
    month = statement.period.month
    shown = last_months(month, MONTHS)
    year = last_months(month, months_into_year(month))
    figures = _figures(statement, min(shown[0], year[0]))
    figures[month] = (statement.list_amount, statement.due_amount)
    before = {earlier for earlier in figures if earlier < month}
    return History(
        trend=_trend(shown, figures) if before & set(shown) else [],
        previous=_column(previous_month(month), figures, ZERO) if previous_month(month) in before else None,
        fiscal_year=FiscalYear(
            first_month=year[0],
            list_amount=total([figures.get(name, NOTHING)[0] for name in year]),
            due_amount=total([figures.get(name, NOTHING)[1] for name in year]),
        )
        if before & set(year)
        else None,
    )


def last_months(month: str, count: int) -> list[str]:
    """So many months up to this one, the oldest first."""
    found = [month]
    while len(found) < count:
        found.insert(0, previous_month(found[0]))
    return found


def months_into_year(month: str) -> int:
    """How many months of the fiscal year there are with this one: 1 in its first."""
    return (int(month[5:]) - settings.FISCAL_YEAR_START) % 12 + 1


def _figures(statement: Statement, since: str) -> dict[str, Figures]:
    own = Q(pi=statement.pi_id) | Q(pi__merged_into=statement.pi_id)
    of_project = Q(project=statement.project_id) | Q(project__merged_into=statement.project_id)
    earlier = Statement.objects.current().filter(own, of_project, currency=statement.currency)
    months = earlier.filter(period__month__gte=since, period__month__lt=statement.period.month)
    sums = months.order_by().values_list("period__month").annotate(Sum("list_amount"), Sum("due_amount"))
    return {month: (list_amount, due) for month, list_amount, due in sums}


def _trend(months: list[str], figures: Mapping[str, Figures]) -> list[TrendMonth]:
    highest = max(max(figures.get(month, NOTHING)) for month in months)
    return [_column(month, figures, highest) for month in months] if highest > 0 else []


def _column(month: str, figures: Mapping[str, Figures], highest: Decimal) -> TrendMonth:
    list_amount, due = figures.get(month, NOTHING)
    initial = format_date(first_day(month), "LLLLL", locale=settings.LOCALE)
    return TrendMonth(month, initial, list_amount, due, _height(list_amount, highest), _height(due, highest))


def _height(amount: Decimal, highest: Decimal) -> int:
    return max(0, int(amount * HEIGHT / highest)) if highest else 0
