"""On the page of a charge that others bear: among whom it is shared, or into which days it is divided."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpRequest
from unfold.decorators import display

from charges.admin.display import link, table
from charges.models import Charge, FundingAccount, PrincipalInvestigator, Project
from charges.money import printed
from charges.sharing import Share, Sharing, cost_of
from periods.calendar import institution_day, last_day_before

SHARED: Any = ("Shared among projects", {"fields": ["shares"]})
DIVIDED: Any = ("Divided at an end date", {"fields": ["parts"]})
SECTIONS = {Charge.ReviewStatus.SHARED: SHARED, Charge.ReviewStatus.DIVIDED: DIVIDED}
MOST_SHARES = 50
WHO: tuple[Any, ...] = (PrincipalInvestigator, Project, FundingAccount)


class DividedCharge:
    """Mixed into the admin of charges."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        section = SECTIONS.get(obj.review_status) if obj else None
        return [*([section] if section else []), *super().get_fieldsets(request, obj)]  # type: ignore[misc]

    @display(description="Parts")
    def parts(self, charge: Charge) -> str:
        """Its fund could not be charged for all of its days."""
        parts = Charge.objects.filter(origin=charge, kind=Charge.Kind.PART).select_related("funding_account", "period")
        rows = (
            (
                link(part, _days(part)),
                part.funding_account or "—",
                part.get_fund_step_display(),
                part.get_review_status_display(),
                printed(part.due_amount, part.currency),
            )
            for part in parts.order_by("charge_period_start", "pk")
        )
        return table(["Days", "Fund", "Fund by", "Status", "Amount due"], rows, amounts_from=4)

    @display(description="Shares")
    def shares(self, charge: Charge) -> str:
        """Of all charges of its kind in its account, which are divided as one."""
        key = cost_of(charge)
        found = [share for share in Sharing(charge.period).shares() if share.cost.key == key]
        if not found:
            return "Nothing is due in its account that could divide it: say who pays, or exclude it."
        found.sort(key=lambda share: -abs(share.amounts[2]))
        return table(["PI", "Project", "Fund", "Amount due"], _rows(found, charge.period.currency), amounts_from=3)


def _days(part: Charge) -> str:
    assert part.charge_period_start
    assert part.charge_period_end
    return f"{institution_day(part.charge_period_start)} to {last_day_before(part.charge_period_end)}"


def _rows(found: Sequence[Share], currency: str) -> Iterator[tuple[Any, ...]]:
    shown, cost = found[:MOST_SHARES], found[0].cost
    names = [model.objects.in_bulk({share.bearer[at] for share in shown}) for at, model in enumerate(WHO)]
    for share in shown:
        who = [rows[key] for rows, key in zip(names, share.bearer, strict=True)]
        yield (*who, printed(share.amounts[2], currency))
    if len(found) > len(shown):
        yield "", "", f"and {len(found) - len(shown):,} more", ""
    words = "By amount due" + (f", {cost.charges:,} charges together" if cost.charges > 1 else "")
    yield "", "", words, printed(cost.amounts[2], currency)
