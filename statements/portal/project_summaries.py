"""Projects as far as the statements tell that a reader may see."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max, Sum

from charges.models import Project
from charges.money import ZERO
from statements.models import StatementLine
from statements.models.statement import StatementQuerySet


@dataclass(slots=True)
class ProjectSummary:
    project: Project
    pis: list[str] = field(default_factory=list)
    funds: list[str] = field(default_factory=list)
    sums: list[dict[str, Any]] = field(default_factory=list)  # one a currency: currencies are never added together


def summarize(projects: Iterable[Project], statements: StatementQuerySet) -> list[ProjectSummary]:
    """What is summed and named comes from `statements` alone: an earlier PI's part of a project stays theirs."""
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
