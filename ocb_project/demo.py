"""Three months of a made-up university, walked through the stage functions that a real month takes."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from charges import adjusting, importing, review
from charges.models import Adjustment, Charge, Source
from ocb_project import environment
from periods import audit
from periods.errors import Refused
from periods.lifecycle import close_period
from periods.models import AuditEntry, BillingPeriod
from statements import archiving, emailing, issuing, journaling, rendering

SAMPLE = Path(__file__).parent / "sample"
SEALED, WALKED, OPEN = "2026-08", "2026-09", "2026-10"
OWN = ("cluster", "storage")  # in the first month nobody had clouds yet
DELIVERED, SHELF = ("cluster", "storage", "aws", "azure"), "shelf"
LEFT_TO_THE_READER = SAMPLE / "azure_2026-10.csv"

Say = Callable[[str], None]


def password_file() -> Path:
    return Path(settings.OCB_HOME) / "demo_password"


def make_demo(*, say: Say) -> bool:
    """Seal the first month, walk the second to closed and leave the third open. False where that was done before.

    Each step may run twice, so a walk that was interrupted is taken up by the next.
    """
    if _was_recorded("finish demo"):
        return False
    _require_own_database()
    by = _administrator()
    _record("start demo", by=by)
    _seal(by=by, say=say)
    _walk(by=by, say=say)
    _leave_open(by=by, say=say)
    _record("finish demo", by=by)
    return True


def _seal(*, by: User, say: Say) -> None:
    """A month that finance has acknowledged: nothing of it changes any more."""
    for name in OWN:
        _import(name, SEALED, by=by, say=say)
    period = BillingPeriod.objects.of_month(SEALED)
    if period.state == BillingPeriod.State.FINALIZED:
        return
    period = _issue(period, by=by, say=say)
    if journaling.export_journal(period, by=by).journal:
        journaling.acknowledge_journal(period, reference="JV-2026-0142", by=by)
    archiving.finalize_period(period, by=by)


def _walk(*, by: User, say: Say) -> None:
    for name in DELIVERED:
        _import(name, WALKED, by=by, say=say)
    period = BillingPeriod.objects.of_month(WALKED)
    _review(period, by=by)
    _adjust(period, by=by)
    period = _issue(period, by=by, say=say)
    emailing.email_statements(period, by=by)
    journaling.export_journal(period, by=by)


def _issue(period: BillingPeriod, *, by: User, say: Say) -> BillingPeriod:
    if period.state == BillingPeriod.State.OPEN:
        period = close_period(period, by=by)
    issuing.issue_statements(period, by=by)
    say(f"Rendering the statements of {period} …")
    failed = rendering.render_statements(period, by=by).failed
    if failed:
        raise Refused("\n".join(failed.values()))
    return period


def _leave_open(*, by: User, say: Say) -> None:
    for name in DELIVERED:
        if _file(name, OPEN) != LEFT_TO_THE_READER:
            _import(name, OPEN, by=by, say=say)
    azure = Source.objects.get(name="azure")
    azure.is_expected_monthly = True  # so that the open month shows what blocks it
    azure.save()


def _import(name: str, month: str, *, by: User, say: Say) -> None:
    file = _file(name, month)
    importing.import_files([file], source_name=name, by=by)
    say(f"Imported {file.name}")


def _file(name: str, month: str) -> Path:
    return next(SAMPLE.glob(f"{name}_{month}.csv*"))


def _review(period: BillingPeriod, *, by: User) -> None:
    """One volume carries no tags: somebody in Chemistry knew whose it is."""
    orphans = Charge.objects.held().filter(period=period, resource_id="snap-0f3327")
    if orphans.exists():
        review.reattribute(
            orphans, by=by, reason="Dr. Okafor's group made this snapshot.", **_payer("catalyst-screening")
        )


def _adjust(period: BillingPeriod, *, by: User) -> None:
    """A part from the shelf, free to its user at last with a price; and an apology for an outage."""
    if Adjustment.objects.filter(period=period).exists():
        return
    shelf, _ = Source.objects.get_or_create(
        name=SHELF, defaults={"is_own_service": True, "funder": "Research Computing", "account_code": "61440"}
    )
    adjusting.adjust(
        by=by,
        period=period,
        kind=Adjustment.Kind.MANUAL,
        source=shelf,
        description="Used 480 GB SSD from the shelf",
        reason="Handed to Ms. Arden on 17 September.",
        list_amount=Decimal(40),
        due_amount=Decimal(0),
        **_payer("storm-tracks"),
    )
    adjusting.adjust(
        by=by,
        period=period,
        kind=Adjustment.Kind.CREDIT,
        source=Source.objects.get(name="storage"),
        description="Credit: secure storage was down on 11 September",
        reason="One day of thirty, as agreed with the PI.",
        due_amount=Decimal("-8.00"),
        account_code="61430",
        **_payer("sleep-spindles"),
    )


def _payer(code: str) -> dict[str, Any]:
    """Who the project's charges of the first month name."""
    charge = (
        Charge.objects.billable()
        .filter(period__month=WALKED, project__code=code)
        .select_related("pi", "project", "funding_account")
        .first()
    )
    if charge is None:
        raise Refused(f"The sample month has no charge of the project {code}.")
    return {"pi": charge.pi, "project": charge.project, "funding_account": charge.funding_account}


def _administrator() -> User:
    password = environment.kept_secret(password_file(), length=12)
    user = User.objects.filter(username="admin").first()
    return user or User.objects.create_superuser("admin", f"admin@{settings.MAIL_DOMAIN}", password)


def _require_own_database() -> None:
    """The sample never mixes with an institution's own data, and its mails never leave the machine."""
    if settings.EMAIL_BACKEND != "ocb_project.file_mail.EmailBackend":
        raise Refused("Mail would leave this machine: unset EMAIL_URL and EMAIL_BACKEND to make the demo.")
    if Source.objects.exists() and not _was_recorded("start demo"):
        raise Refused("This database holds data of its own: set OCB_HOME to an empty folder to make the demo.")


def _was_recorded(action: str) -> bool:
    return AuditEntry.objects.filter(action=action, subject="sample months").exists()


@transaction.atomic
def _record(action: str, *, by: User) -> None:
    audit.record(by=by, action=action, subject="sample months")
