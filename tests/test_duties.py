"""What one person must not combine: each switch at each door, and off by default."""

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from charges import review
from charges.adjusting import adjust
from charges.adjusting.crediting import approve_campaign, make_campaign
from charges.carrying import carry_deferred
from charges.disputing.objecting import deny, open_dispute, uphold
from charges.importing import import_files
from charges.importing.correcting import correct_row
from charges.importing.quarantine import discard_issues
from charges.models import Adjustment, Charge, CreditCampaign, Dispute, FocusImport, ImportIssue
from ocb_project.combining import combined
from periods.errors import NotPermitted, Refused
from periods.lifecycle import close_period
from periods.models import BillingPeriod
from statements.archiving import finalize_period
from statements.models import Seal
from tests.charges.focus_files import focus_row, write_focus
from tests.conftest import person
from tests.make import make_charge, make_fund, make_import, make_period, make_pi, make_project, make_source
from tests.statements.sealed import make_ready

pytestmark = pytest.mark.django_db

REASON = "Agreed with the lab by mail"
CLOSING = "Whoever closes a month must not finalize it"
ADJUSTING = "Whoever enters an adjustment or a dispute must not approve or decide it"
IMPORTING = "Whoever imports charges must not review them"


@pytest.fixture
def second(db: None) -> User:
    return person("second", "Billing administrators", is_staff=True)


def said(action: Callable[[], object]) -> str:
    """What the refusal says; nothing where it is done."""
    try:
        action()
    except (Refused, CommandError) as refusal:
        return str(refusal)
    return ""


def run(*arguments: str) -> None:
    call_command(*arguments, stdout=StringIO(), stderr=StringIO())


def errors(response: Any) -> list[str]:
    return [str(error) for error in response.context["form"].non_field_errors()]


# Closing and finalizing


@pytest.fixture
def ready(settings: Any, billing_admin: User) -> BillingPeriod:
    """January, closed by the billing administrator, with closing and finalizing kept apart."""
    settings.SEPARATE_CLOSER_FROM_FINALIZER = True
    period = make_ready()
    BillingPeriod.objects.update(closed_by=billing_admin)
    return BillingPeriod.objects.get(pk=period.pk)


def test_closer_does_not_finalize(ready: BillingPeriod, billing_admin: User, second: User) -> None:
    refusal = f"{CLOSING}: admin closed January 2025, so somebody else has to go on."
    assert said(lambda: finalize_period(ready, by=billing_admin)) == refusal
    assert Seal.objects.count() == 0

    assert finalize_period(ready, by=second).sealed_by == second


def test_closer_does_not_finalize_by_command(ready: BillingPeriod, second: User) -> None:
    refusal = f"{CLOSING}: admin closed January 2025, so somebody else has to go on."
    assert said(lambda: run("finalize_period", "2025-01", "--by", "admin")) == refusal
    assert said(lambda: run("finalize_period", "2025-01")) == f"{CLOSING}: name who does it with --by."

    run("finalize_period", "2025-01", "--by", "second")
    assert Seal.objects.get().sealed_by == second


def test_closer_does_not_finalize_in_the_admin(
    ready: BillingPeriod, client: Client, billing_admin: User, second: User
) -> None:
    page = f"/admin/periods/billingperiod/{ready.pk}/step/finalize/"
    client.force_login(billing_admin)
    assert errors(client.post(page)) == [f"{CLOSING}: admin closed January 2025, so somebody else has to go on."]

    client.force_login(second)
    assert client.post(page).status_code == 302
    assert Seal.objects.get().sealed_by == second


def test_month_closed_by_nobody_is_closed_again_by_somebody(ready: BillingPeriod, second: User) -> None:
    BillingPeriod.objects.update(closed_by=None)

    sentence = "January 2025 was closed by nobody in particular: reopen it, and let a person close it."
    assert said(lambda: finalize_period(ready, by=second)) == sentence


def test_cron_does_not_close(settings: Any, billing_admin: User) -> None:
    settings.SEPARATE_CLOSER_FROM_FINALIZER = True
    make_period()

    assert said(lambda: run("close_period", "2025-01")) == f"{CLOSING}: name who does it with --by."
    assert BillingPeriod.objects.get().state == "open"
    run("close_period", "2025-01", "--by", "admin")
    assert BillingPeriod.objects.get().closed_by == billing_admin


def test_one_person_does_all_of_it_where_nothing_is_separate(billing_admin: User, tmp_path: Any) -> None:
    import_files(
        [write_focus(tmp_path / "jan.csv", focus_row(tags={"fund_org": ""}))], source_name="aws", by=billing_admin
    )
    review.exclude(Charge.objects.all(), reason=REASON, by=billing_admin)
    period = close_period(BillingPeriod.objects.get(), by=billing_admin)

    assert finalize_period(period, by=billing_admin).sealed_by == billing_admin


# Entering and approving


@pytest.fixture
def _apart(settings: Any) -> None:
    settings.SEPARATE_AUTHOR_FROM_APPROVER = True


def credit(**changes: Any) -> Adjustment:
    terms = {
        "period": make_period(),
        "kind": "credit",
        "pi": make_pi(),
        "project": make_project(),
        "description": "Outage",
        "reason": REASON,
        "due_amount": Decimal("-0.01"),
        "funding_account": make_fund(),
    }
    return adjust(**{**terms, **changes})


@pytest.mark.usefixtures("_apart")
def test_every_adjustment_waits_for_another_unless_a_limit_says_which(settings: Any, billing_admin: User) -> None:
    assert credit(by=billing_admin).is_pending
    assert said(credit) == f"{ADJUSTING}: name who does it with --by."

    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(100)
    assert not credit(by=billing_admin).is_pending


@pytest.mark.usefixtures("_apart")
def test_author_does_not_approve_in_the_admin(client: Client, billing_admin: User, second: User) -> None:
    client.force_login(billing_admin)
    terms = {
        "period": make_period().pk, "kind": "credit", "pi": make_pi().pk, "project": make_project().pk,
        "funding_account": make_fund().pk, "description": "Outage", "reason": REASON, "list_amount": "0",
        "due_amount": "-1",
    }  # fmt: skip
    assert client.post("/admin/charges/adjustment/add/", terms).status_code == 302
    made = Adjustment.objects.get()
    page = f"/admin/charges/adjustment/{made.pk}/step/approve/"
    assert (made.is_pending, client.post(page).status_code) == (True, 403)

    client.force_login(second)
    assert client.post(page).status_code == 302
    made.refresh_from_db()
    assert made.approved_by == second


@pytest.mark.usefixtures("_apart")
def test_author_does_not_approve_a_campaign(billing_admin: User, second: User) -> None:
    make_charge(due_amount="100")

    def terms() -> CreditCampaign:
        return CreditCampaign(period=make_period(), code="OUTAGE", description="Outage", reason=REASON, percent=10)

    assert said(lambda: make_campaign(terms())) == f"{ADJUSTING}: name who does it with --by."
    made = make_campaign(terms(), by=billing_admin)
    with pytest.raises(NotPermitted):
        approve_campaign(made, by=billing_admin)
    assert approve_campaign(made, by=second).approved_by == second


def dispute(by: User | None) -> Dispute:
    charge = make_charge(due_amount="40")
    whose = {"period": charge.period, "pi": charge.pi, "project": charge.project}
    return open_dispute(**whose, charge=charge, text="This is not our machine.", by=by)


@pytest.mark.usefixtures("_apart")
@pytest.mark.parametrize("decide", [deny, lambda *args, **kwargs: uphold(*args, ground="usage", **kwargs)])
def test_who_opened_a_dispute_does_not_decide_it(decide: Any, billing_admin: User, second: User) -> None:
    opened = dispute(billing_admin)

    refusal = f"{ADJUSTING}: admin opened this dispute, so somebody else has to go on."
    assert said(lambda: decide(opened, text=REASON, by=billing_admin)) == refusal
    assert said(lambda: decide(opened, text=REASON)) == f"{ADJUSTING}: name who does it with --by."
    assert Dispute.objects.get().state == "open"
    decide(opened, text=REASON, by=second)
    assert [made.is_pending for made in Adjustment.objects.all()] == [True] * Adjustment.objects.count()


@pytest.mark.usefixtures("_apart")
def test_who_opened_a_dispute_does_not_decide_it_in_the_admin(client: Client, billing_admin: User) -> None:
    opened = dispute(billing_admin)
    client.force_login(billing_admin)

    page = client.post(f"/admin/charges/dispute/{opened.pk}/step/deny/", {"text": REASON})

    assert errors(page) == [f"{ADJUSTING}: admin opened this dispute, so somebody else has to go on."]


# Importing and reviewing


@pytest.fixture
def imported(settings: Any, billing_admin: User, tmp_path: Any) -> Charge:
    """Held, imported by the billing administrator, with importing and reviewing kept apart."""
    settings.SEPARATE_IMPORTER_FROM_REVIEWER = True
    rows = focus_row(tags={"fund_org": ""}), focus_row(BilledCost="x")
    import_files([write_focus(tmp_path / "jan.csv", *rows)], source_name="aws", by=billing_admin)
    return Charge.objects.get()


REFUSED = f"{IMPORTING}: admin imported 1 of these charges, so somebody else has to go on."
DECISIONS = {
    "approve": review.approve,
    "exclude": review.exclude,
    "defer": review.defer,
    "reattribute": lambda charges, **why: review.reattribute(charges, funding_account=make_fund(), **why),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_importer_does_not_review(name: str, imported: Charge, billing_admin: User, second: User) -> None:
    Charge.objects.update(funding_account=make_fund())
    charges, decide = Charge.objects.all(), DECISIONS[name]

    assert said(lambda: decide(charges, reason=REASON, by=billing_admin)) == REFUSED
    assert said(lambda: decide(charges, reason=REASON)) == f"{IMPORTING}: name who does it with --by."
    assert decide(charges, reason=REASON, by=second) == 1


def test_importer_does_not_review_in_the_admin(imported: Charge, client: Client, billing_admin: User) -> None:
    client.force_login(billing_admin)
    one = client.post(f"/admin/charges/charge/{imported.pk}/step/exclude/", {"reason": REASON})
    many = {"action": "exclude", "shown": "1", "_selected_action": [imported.pk], "reason": REASON}

    assert (errors(one), errors(client.post("/admin/charges/charge/", many))) == ([REFUSED], [REFUSED])
    imported.refresh_from_db()
    assert imported.review_status == "held"


def test_importer_decides_about_no_quarantined_row(imported: Charge, billing_admin: User, second: User) -> None:
    issue = ImportIssue.objects.get()

    assert said(lambda: discard_issues(ImportIssue.objects.all(), reason=REASON, by=billing_admin)) == (
        f"{IMPORTING}: admin imported some of these rows, so somebody else has to go on."
    )
    assert said(lambda: correct_row(issue, correction={"BilledCost": "80"}, reason=REASON, by=billing_admin)) == (
        f"{IMPORTING}: admin imported this row, so somebody else has to go on."
    )
    assert correct_row(issue, correction={"BilledCost": "80"}, reason=REASON, by=second).billed_cost == 80


def test_who_imported_what_was_deferred_does_not_review_it_later(
    imported: Charge, billing_admin: User, second: User
) -> None:
    """However often: the import that carries it over is by whoever finalized."""
    review.defer(Charge.objects.all(), reason=REASON, by=second)
    carry_deferred(imported.period, by=second)
    february = BillingPeriod.objects.get(month="2025-02")
    review.defer(Charge.objects.filter(period=february), reason=REASON, by=second)
    carry_deferred(february, by=second)
    march = Charge.objects.filter(period__month="2025-03")

    assert said(lambda: review.exclude(march, reason=REASON, by=billing_admin)) == REFUSED
    assert review.exclude(march, reason=REASON, by=second) == 1


def test_cron_does_not_import(settings: Any, billing_admin: User, tmp_path: Any) -> None:
    settings.SEPARATE_IMPORTER_FROM_REVIEWER = True
    file = str(write_focus(tmp_path / "jan.csv", focus_row()))

    run("import_focus", file, "--source", "aws", "--dry-run")
    sentence = f"{IMPORTING}: name who does it with --by."
    assert said(lambda: run("import_focus", file, "--source", "aws")) == sentence
    assert not FocusImport.objects.exists()
    run("import_focus", file, "--source", "aws", "--by", "admin")
    assert FocusImport.objects.get().created_by == billing_admin


def test_upload_names_who_imports(settings: Any, client: Client, billing_admin: User, tmp_path: Any) -> None:
    settings.SEPARATE_IMPORTER_FROM_REVIEWER = True
    client.force_login(billing_admin)
    file = SimpleUploadedFile("jan.csv", write_focus(tmp_path / "jan.csv", focus_row()).read_bytes())
    asked = {"import_file": file, "source_name": "aws", "period": "", "format": "0", "resource": "0"}

    preview = client.post("/admin/charges/focusimport/import/", asked)
    client.post("/admin/charges/focusimport/process_import/", preview.context["confirm_form"].initial)

    assert FocusImport.objects.get().created_by == billing_admin


# The access review


def test_access_review_shows_what_is_kept_apart_and_who_combined_it(
    settings: Any, client: Client, auditor: User, billing_admin: User, reviewer: User
) -> None:
    opened = dispute(billing_admin)
    deny(opened, text=REASON, by=billing_admin)
    period = make_ready()
    BillingPeriod.objects.update(closed_by=billing_admin)
    finalize_period(period, by=billing_admin)
    loaded = make_import(make_period("2025-02"), make_source("aws"), created_by=billing_admin)
    for number in range(2):
        make_charge(
            period=make_period("2025-02"), source=make_source("aws"), loaded_by=loaded, decided_by=billing_admin,
            review_status="approved", resource_id=f"node-{number}",
        )  # fmt: skip
    make_charge(period=make_period("2025-02"), decided_by=reviewer, review_status="approved")

    assert [(found.duties.are_separate, found.holders, found.doers) for found in combined()] == [
        (False, ["admin"], ["admin: January 2025"]),
        (False, ["admin"], [f"admin: {opened}"]),
        (False, ["admin"], ["admin: 2 charges of February 2025"]),
    ]
    settings.SEPARATE_IMPORTER_FROM_REVIEWER = True
    client.force_login(auditor)
    page = client.get("/admin/access/")
    assert [found.duties.are_separate for found in page.context["combined"]] == [False, False, True]
    assert page.content.decode().count('<span class="ocb-mark on">On</span>') == 1
