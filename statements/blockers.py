"""What about its statements, journals and mail keeps a month from being finalized."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from charges.ledger import UNASSIGNED
from charges.models import Charge, PrincipalInvestigator
from periods.blockers import Blocker, changelist, counted, register
from periods.models import BillingPeriod
from statements.issuing import stale_statements
from statements.journaling import outstanding
from statements.models import EmailDelivery, Journal, Statement, StatementLine, Suppression, unmailed


@register("finalize")
def statements_not_current(period: BillingPeriod) -> Iterator[Blocker]:
    stale = len(stale_statements(period))
    if stale:
        yield Blocker(
            counted(stale, "statement is", "statements are") + " not issued or out of date: issue statements.",
            changelist(Statement, period__id__exact=period.pk),
            step="issue",
        )


@register("finalize")
def statements_not_rendered(period: BillingPeriod) -> Iterator[Blocker]:
    missing = Statement.objects.filter(period=period, document=None).current().count()
    if missing:
        yield Blocker(
            counted(missing, "statement has", "statements have") + " no PDF yet: render statements.",
            changelist(Statement, period__id__exact=period.pk),
            step="render",
        )


@register("finalize")
def journals_not_adding_up(period: BillingPeriod) -> Iterator[Blocker]:
    """Where there is nothing to post, nothing is outstanding either."""
    if not outstanding(period, booked=[Journal.State.ACKNOWLEDGED]):
        return
    link = changelist(Journal, period__id__exact=period.pk)
    exported = Journal.objects.filter(period=period, state=Journal.State.EXPORTED).first()
    if not exported:
        yield Blocker("The acknowledged journals do not hold what the statements say: export the journal.", link)
    elif outstanding(period):
        yield Blocker(f"Journal {exported} was exported before the statements changed: reject or void it.", link)
    else:
        yield Blocker(f"Journal {exported} awaits acknowledgement.", link)


@register("finalize")
def dispute_window(period: BillingPeriod) -> Iterator[Blocker]:
    until = Statement.objects.filter(period=period).current().aggregate(until=Max("dispute_until"))["until"]
    if until and until >= timezone.localdate():
        yield Blocker(
            f"Statements say that they can be disputed until {until:%Y-%m-%d}.",
            changelist(Statement, period__id__exact=period.pk),
            is_overridable=True,
        )


TROUBLED_MAIL = {
    EmailDelivery.Status.FAILED: ("e-mail failed", "e-mails failed"),
    EmailDelivery.Status.BOUNCED: ("e-mail bounced", "e-mails bounced"),
    EmailDelivery.Status.COMPLAINED: ("e-mail was marked as spam", "e-mails were marked as spam"),
    EmailDelivery.Status.UNCLEAR: ("e-mail was interrupted while sending", "e-mails were interrupted while sending"),
}


@register("finalize")
def mail_not_sent(period: BillingPeriod) -> Iterator[Blocker]:
    count = Counter(EmailDelivery.objects.filter(period=period).values_list("status", flat=True))
    for status, (one, many) in TROUBLED_MAIL.items():
        if count[status]:
            yield Blocker(
                counted(count[status], one, many) + ": look into it, then queue it again.",
                changelist(EmailDelivery, period__id__exact=period.pk, status__exact=status),
                is_warning=True,
            )
    number = unmailed(Statement.objects.filter(period=period).current()).count()
    if number:
        yield Blocker(
            counted(number, "statement was", "statements were") + " not e-mailed.",
            changelist(EmailDelivery, period__id__exact=period.pk),
            is_warning=True,
        )


@register("close", "finalize")
def addresses_without_mail(period: BillingPeriod) -> Iterator[Blocker]:
    """Of PIs that this month is billed to: said before it closes, while there is time to ask for another address."""
    standing = Suppression.objects.filter(cleared_at=None)
    pis = PrincipalInvestigator.objects.filter(email__in=list(standing.values_list("address", flat=True)))
    billed = Charge.objects.filter(period=period, pi=OuterRef("pk"))
    number = pis.filter(Exists(billed)).count()
    if number:
        yield Blocker(
            counted(number, "PI gets no mail: the address bounced", "PIs get no mail: their addresses bounced")
            + " or complained. Change it, or allow mail to it again.",
            changelist(Suppression),
            is_warning=True,
        )


@register("finalize")
def codes_not_assigned(period: BillingPeriod) -> Iterator[Blocker]:
    lines = StatementLine.objects.filter(
        statement__period=period, statement__state=Statement.State.ISSUED, account_code=UNASSIGNED
    )
    number = lines.exclude(due_amount=0).count()
    if number:
        yield Blocker(
            counted(number, "line", "lines") + f" without an account code: posted as {UNASSIGNED}.",
            changelist(Statement, period__id__exact=period.pk),
            is_warning=True,
        )
