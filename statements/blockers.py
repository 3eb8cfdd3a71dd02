"""What about its statements, journals and mail keeps a month from being finalized."""

from collections.abc import Iterator

from django.db.models import Max
from django.utils import timezone

from charges.ledger import UNASSIGNED
from periods.blockers import Blocker, changelist, counted, register
from periods.models import BillingPeriod
from statements.issuing import stale_statements
from statements.journaling import outstanding
from statements.models import EmailDelivery, Journal, Statement, StatementLine


@register("finalize")
def statements_not_current(period: BillingPeriod) -> Iterator[Blocker]:
    stale = len(stale_statements(period))
    if stale:
        yield Blocker(
            counted(stale, "statement is", "statements are") + " not issued or out of date: issue statements.",
            changelist(Statement, period__id__exact=period.pk),
        )


@register("finalize")
def statements_not_rendered(period: BillingPeriod) -> Iterator[Blocker]:
    missing = Statement.objects.filter(period=period, document=None).current().count()
    if missing:
        yield Blocker(
            counted(missing, "statement has", "statements have") + " no PDF yet: render statements.",
            changelist(Statement, period__id__exact=period.pk),
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


@register("finalize")
def mail_not_sent(period: BillingPeriod) -> Iterator[Blocker]:
    for status, one, many in (
        (EmailDelivery.Status.FAILED, "e-mail failed", "e-mails failed"),
        (EmailDelivery.Status.UNCLEAR, "e-mail was interrupted", "e-mails were interrupted"),
    ):
        number = EmailDelivery.objects.filter(period=period, status=status).count()
        if number:
            yield Blocker(
                counted(number, one, many) + " while sending: look into it, then queue it again.",
                changelist(EmailDelivery, period__id__exact=period.pk, status__exact=status),
                is_warning=True,
            )
    unsent = Statement.objects.filter(period=period).current().exclude(deliveries__status=EmailDelivery.Status.SENT)
    number = unsent.count()
    if number:
        yield Blocker(
            counted(number, "statement was", "statements were") + " not e-mailed.",
            changelist(EmailDelivery, period__id__exact=period.pk),
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
