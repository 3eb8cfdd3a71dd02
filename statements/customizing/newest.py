"""The newest document of a kind: what previews and examples are made of."""

from periods.errors import Refused
from periods.models import BillingPeriod
from statements.issuing import Draft, compute
from statements.models import Journal, Statement
from statements.rendering import frozen_lines


def newest_statement() -> Draft:
    """Issued and current; before there is any, one as it would be issued now. Raises Refused where there is neither."""
    issued = Statement.objects.current().select_related("period", "project").order_by("period__month", "number").last()
    if issued:
        return Draft(issued, frozen_lines(issued))
    for period in BillingPeriod.objects.order_by("-month"):
        for draft in compute(period):
            return draft
    raise Refused("No month has a statement yet: import a file first, so that there is something to show.")


def newest_mailing() -> list[Statement]:
    """The statements that one PI gets in one mail: current, and with their PDFs."""
    rendered = Statement.objects.current().filter(document__isnull=False).select_related("period", "pi", "document")
    newest = rendered.order_by("period__month", "number").last()
    if newest is None:
        raise Refused(
            "No statement has its PDF yet: issue and render a month first, so that there is something to show."
        )
    return list(rendered.filter(period=newest.period_id, pi=newest.pi_id).order_by("number"))


def newest_journal() -> Journal:
    found = Journal.objects.select_related("period").order_by("pk").last()
    if found is None:
        raise Refused("No month has a journal yet: export one first, so that there is something to show.")
    return found
