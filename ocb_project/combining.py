"""Who could do, and who did, both parts of what `periods.duties` keeps apart where it is switched on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, F

from charges.models import Charge, Dispute, FocusImport
from periods import duties
from periods.blockers import counted
from periods.calendar import in_words
from periods.models import AuditEntry, BillingPeriod

MODELS = "django.contrib.auth.backends.ModelBackend"
NEEDED = {
    duties.CLOSING: ("periods.close_billingperiod", "periods.finalize_billingperiod"),
    duties.ADJUSTING: ("charges.add_adjustment", "charges.approve_adjustment"),
    duties.IMPORTING: ("charges.load_focusimport", "charges.review_charge"),
}


@dataclass(frozen=True, slots=True)
class Combined:
    """One pair of duties: kept apart or not, by name who holds both, and by name who has done both to what."""

    duties: duties.Duties
    holders: list[str]
    doers: list[str]


def combined() -> list[Combined]:
    found = {duties.CLOSING: _months(), duties.ADJUSTING: _disputes(), duties.IMPORTING: _charges()}
    return [Combined(pair, _holders(*NEEDED[pair]), list(doers)) for pair, doers in found.items()]


def _holders(first: str, second: str) -> list[str]:
    """Usernames; a superuser may everything."""
    one, other = (
        set(User.objects.with_perm(permission, backend=MODELS).values_list("username", flat=True))
        for permission in (first, second)
    )
    return sorted(one & other)


def _months() -> Iterator[str]:
    both = BillingPeriod.objects.filter(closed_by__isnull=False, finalized_by=F("closed_by")).order_by("-month")
    for period in both.select_related("closed_by"):
        yield f"{period.closed_by}: {period}"


def _disputes() -> Iterator[str]:
    """An adjustment is never approved by its author; the database itself refuses that."""
    openers = dict(Dispute.objects.exclude(opened_by=None).values_list("pk", "opened_by"))
    decided = AuditEntry.objects.filter(
        action__in=["propose", "uphold", "deny"], subject_model="charges.dispute", by__isnull=False
    )
    for entry in decided.select_related("by"):
        if openers.get(entry.subject_id or 0) == entry.by_id:
            yield f"{entry.by}: {entry.subject}"


def _charges() -> Iterable[str]:
    own = Charge.objects.not_clear().filter(
        loaded_by__kind=FocusImport.Kind.DELIVERY, decided_by__isnull=False, decided_by=F("loaded_by__created_by")
    )
    rows = own.order_by("-period__month").values_list("decided_by__username", "period__month").annotate(Count("pk"))
    for username, month, number in rows:
        yield f"{username}: {counted(number, 'charge', 'charges')} of {in_words(month)}"
