"""Puts together what the pages show, from statements that the reader may see and from nothing else."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Sum

from charges.models import Project
from charges.money import ZERO
from statements.models import Statement, StatementLine
from statements.models.statement import StatementQuerySet


def discounts(statement: Statement, lines: Iterable[StatementLine]) -> list[tuple[str, Decimal]]:
    """The discount in its parts, each with who grants it. A subsidy without a funder is just a discount."""
    by_label: dict[str, Decimal] = defaultdict(Decimal)
    by_label["Negotiated with the provider"] = statement.provider_discount
    for line in lines:
        by_label[f"Subsidy, paid by {line.funder}" if line.funder else "Discount"] += line.subsidy
    by_label["Adjustments"] = statement.adjustments
    return [(label, amount) for label, amount in by_label.items() if amount]


def funds(lines: Iterable[StatementLine]) -> list[tuple[str, Decimal]]:
    """What each fund is charged."""
    by_fund: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.funding_account:
            by_fund[line.funding_account.code] += line.due_amount
    return [(code, due) for code, due in sorted(by_fund.items()) if due]


@dataclass(slots=True)
class ProjectSummary:
    project: Project
    pis: list[str] = field(default_factory=list)
    funds: list[str] = field(default_factory=list)
    sums: list[dict[str, Any]] = field(default_factory=list)  # one a currency: currencies are never added together


def summarize(projects: Iterable[Project], statements: StatementQuerySet) -> list[ProjectSummary]:
    """Each project as far as `statements` tell: an earlier PI's part of it stays theirs."""
    summaries = {project.pk: ProjectSummary(project) for project in projects}
    visible = statements.filter(project__in=list(summaries)).order_by()
    for pk, name in visible.values_list("project", "pi_name").distinct().order_by("pi_name"):
        summaries[pk].pis.append(name)
    charged = StatementLine.objects.filter(statement__in=visible, funding_account__isnull=False)
    codes = charged.values_list("statement__project", "funding_account__code").distinct()
    for pk, code in codes.order_by("funding_account__code"):
        summaries[pk].funds.append(code)
    sums = visible.values("project", "currency").annotate(
        list=Sum("list_amount"), due=Sum("due_amount"), count=Count("pk"), last_month=Max("period__month")
    )
    for row in sums.order_by("currency"):
        summaries[row["project"]].sums.append({**row, "discount": (row["due"] or ZERO) - (row["list"] or ZERO)})
    return list(summaries.values())
