"""Adjustments by form and by spreadsheet."""

from decimal import Decimal
from io import BytesIO

import pytest

from charges.adjusting import adjust, withdraw
from charges.adjusting.crediting import make_campaign
from charges.models import Adjustment, CreditCampaign, Dispute, Project
from periods.models import AuditEntry
from tests.charges.desk import desk, errors, payer, upload
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_period,
    make_pi,
    make_project,
    make_source,
)

__all__ = ["desk", "payer"]


ADD = "/admin/charges/adjustment/add/"


REASON = "Handed down from the old cluster"


HEADER = (
    "period,kind,pi_email,project_id,fund_org,source,account_code,borne_by,description,list_amount,due_amount,reason"
)


def filled_in(payer, **changes):
    answers = {
        "kind": "manual",
        "period": make_period().pk,
        "description": "960 GB SSD",
        "list_amount": "40",
        "due_amount": "0",
        "reason": REASON,
        **{name: row.pk for name, row in payer.items()},
    }
    return {**answers, **changes}


def test_a_manual_charge_shows_its_list_price_and_costs_nothing(desk, payer, billing_admin):
    response = desk.post(ADD, filled_in(payer))

    adjustment = Adjustment.objects.get()
    assert response.status_code == 302
    assert (adjustment.list_amount, adjustment.due_amount, adjustment.created_by) == (40, 0, billing_admin)
    assert AuditEntry.objects.get(action="adjust").subject_id == adjustment.pk


def test_what_the_stage_refuses_stands_above_the_form_as_filled_in(desk, payer):
    response = desk.post(ADD, filled_in(payer, kind="credit", list_amount="0", due_amount="12.5"))

    assert errors(response) == ["A credit or write-off lowers the amount due: give a negative amount."]
    assert response.context["adminform"].form["description"].value() == "960 GB SSD"
    assert Adjustment.objects.count() == 0


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("9300000000", "9300000000 is an amount beyond 9.2 thousand million."),
        ("0.0000000001", "1E-10 is an amount of more than nine decimals."),
        ("1e400", "1E+400 is a number beyond all bounds."),
    ],
)
def test_an_amount_that_cannot_be_kept_is_refused_on_every_form(desk, payer, amount, sentence):
    source = make_source()
    dispute = Dispute.objects.create(period=make_period(), source=source, pi=make_pi(), project=make_project())

    added = desk.post(ADD, filled_in(payer, list_amount=amount))
    changed = desk.post(f"/admin/charges/source/{source.pk}/change/", {"approval_threshold": amount})
    upheld = desk.post(f"/admin/charges/dispute/{dispute.pk}/step/uphold/", {"amount": amount})

    assert added.context["adminform"].form.errors == {"list_amount": [sentence]}
    assert changed.context["adminform"].form.errors["approval_threshold"] == [sentence]
    assert upheld.context["form"].errors["amount"] == [sentence]


def test_finalized_months_are_not_offered(desk, payer):
    finalized = make_finalized(make_period("2024-12"))

    response = desk.post(ADD, filled_in(payer, period=finalized.pk))

    assert list(response.context["adminform"].form.errors) == ["period"]


def test_an_adjustment_is_never_edited(desk, payer):
    desk.post(ADD, filled_in(payer))
    adjustment = Adjustment.objects.get()

    response = desk.post(f"/admin/charges/adjustment/{adjustment.pk}/change/", filled_in(payer, list_amount="99"))

    adjustment.refresh_from_db()
    assert (response.status_code, adjustment.list_amount) == (403, 40)


def test_the_page_of_an_adjustment_prints_amounts_as_money(desk, payer):
    desk.post(ADD, filled_in(payer))

    page = desk.get(f"/admin/charges/adjustment/{Adjustment.objects.get().pk}/change/").content.decode()

    assert (page.count(">$40.00<"), page.count("40.000000000")) == (1, 0)


def test_an_adjustment_is_withdrawn_with_a_reason_once(desk, payer):
    desk.post(ADD, filled_in(payer))
    adjustment = Adjustment.objects.get()
    page = f"/admin/charges/adjustment/{adjustment.pk}/step/withdraw/"

    desk.post(page, {"reason": "Entered for the wrong project"})

    adjustment.refresh_from_db()
    assert adjustment.withdrawn_at is not None
    assert AuditEntry.objects.get(action="withdraw").reason == "Entered for the wrong project"
    assert desk.get(f"/admin/charges/adjustment/{adjustment.pk}/change/").context["buttons"] == []


def confirm(desk, model, preview):
    return desk.post(f"/admin/charges/{model}/process_import/", preview.context["confirm_form"].initial)


def test_a_spreadsheet_is_previewed_then_loaded_through_the_stage(desk, payer, billing_admin):
    make_closed(make_period())
    row = "2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage of 3 January,0,-12.345,Agreed after the outage"

    preview = upload(desk, "adjustment", f"{HEADER}\n{row}\n")
    assert (Adjustment.objects.count(), preview.context["result"].totals["new"]) == (0, 1)
    confirm(desk, "adjustment", preview)

    adjustment = Adjustment.objects.get()
    assert (adjustment.due_amount, adjustment.created_by) == (Decimal("-12.345"), billing_admin)
    assert AuditEntry.objects.get(action="adjust").by == billing_admin


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,12,Agreed after the outage",
            "A credit or write-off lowers the amount due: give a negative amount.",
        ),
        (",credit,,engine,NSF-1,,,,Outage,0,-12,Agreed after the outage", "Give period and pi."),
        (
            "2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,-12,Agreed",
            "Give a reason of at least 10 characters.",
        ),
        (
            "2025-01,credit,nobody@example.edu,engine,NSF-1,,,,Outage,0,-12,Agreed after it",
            "There is no PI 'nobody@example.edu'.",
        ),
        (
            "2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,$12,Agreed after it",
            "'$12' is no number: only digits, a minus, a decimal point and an exponent may stand here.",
        ),
    ],
)
def test_the_preview_says_what_would_be_refused(desk, payer, row, sentence):
    make_period()

    result = upload(desk, "adjustment", f"{HEADER}\n{row}\n").context["result"]

    found = [message for invalid in result.invalid_rows for message in invalid.error.messages]
    assert found == [sentence]
    assert (Adjustment.objects.count(), AuditEntry.objects.count()) == (0, 0)


EXPORTED = [
    "period", "kind", "pi", "project", "funding_account", "source", "account_code", "borne_by", "description",
    "list_amount", "due_amount", "reason", "charge", "campaign", "state",
]  # fmt: skip


def exported(desk, format_number="0"):
    answers = {f"adjustmentresource_{name}": "on" for name in EXPORTED}
    return desk.post("/admin/charges/adjustment/export/", {"format": format_number, "resource": "0", **answers})


def as_entered():
    names = [field.attname for field in Adjustment._meta.concrete_fields if field.name not in {"id", "created_at"}]
    return list(Adjustment.objects.order_by("pk").values(*names))


def test_what_is_exported_comes_back_as_it_was(desk, billing_admin):
    payer = {"period": make_period(), "pi": make_pi(), "project": make_project(), "by": billing_admin}
    split = make_charge(funding_account=None, fund_step="split", due_amount="50")
    adjust(**payer, kind="credit", charge=split, due_amount=Decimal("-1.5"), description="=1+1", reason=REASON)
    adjust(
        **payer, kind="write_off", due_amount=Decimal("-2.000000001"), description="Lost", reason="-" + REASON,
        funding_account=make_fund(), borne_by=make_fund("DEAN"), account_code="54000",
    )  # fmt: skip
    adjust(**payer, kind="manual", source=make_source(), list_amount=Decimal(40), due_amount=Decimal(0),
           description="960 GB SSD", reason=REASON)  # fmt: skip
    before, sheet = as_entered(), exported(desk).content.decode()
    Adjustment.objects.all().delete()

    confirm(desk, "adjustment", upload(desk, "adjustment", sheet))

    assert sorted(as_entered(), key=lambda row: row["kind"]) == sorted(before, key=lambda row: row["kind"])


def test_the_same_spreadsheet_again_credits_nobody_twice(desk, payer):
    make_period()
    row = f"2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,-5,{REASON}"
    twice = f"{HEADER}\n{row}\n{row}"
    confirm(desk, "adjustment", upload(desk, "adjustment", twice))

    again, exported_again = (
        upload(desk, "adjustment", sheet).context["result"] for sheet in (twice, exported(desk).content.decode())
    )

    assert [Adjustment.objects.count(), again.totals["skip"], exported_again.totals["skip"]] == [2, 2, 2]
    withdraw(Adjustment.objects.first(), reason="Entered for the wrong lab")
    withdraw(Adjustment.objects.last(), reason="Entered for the wrong lab")
    assert upload(desk, "adjustment", twice).context["result"].totals["new"] == 2


def test_a_sheet_of_which_a_row_is_refused_when_confirmed_is_not_imported_at_all(desk, payer):
    closed = make_closed(make_period())
    make_period("2025-02")
    rows = [f"2025-0{month},credit,ada@example.edu,engine,NSF-1,,,,Outage,0,-5,{REASON}" for month in (2, 1, 1)]
    preview = upload(desk, "adjustment", "\n".join([HEADER, *rows]))
    make_finalized(closed)

    answer = desk.post(
        "/admin/charges/adjustment/process_import/", preview.context["confirm_form"].initial, follow=True
    )

    refused = "January 2025 is finalized: nothing in it changes. Correct it in an open month."
    assert [str(message) for message in answer.context["messages"]] == [
        f"Nothing is imported. Row 2: {refused} Row 3: {refused}"
    ]
    assert answer.redirect_chain == [("/admin/charges/adjustment/import/", 302)]
    assert not Adjustment.objects.exists()


def test_what_was_withdrawn_and_what_a_campaign_made_does_not_come_back(desk, payer, billing_admin):
    make_charge(due_amount="100")
    terms = {"period": make_period(), "code": "OUTAGE", "description": "Outage", "reason": REASON, "percent": 10}
    make_campaign(CreditCampaign(**terms))
    desk.post(ADD, filled_in(payer))
    withdraw(Adjustment.objects.get(kind="manual"), reason="Entered for the wrong lab")

    preview = upload(desk, "adjustment", exported(desk).content.decode())

    assert preview.context["result"].totals["skip"] == 2
    assert preview.context["result"].totals["new"] == 0


def test_a_spreadsheet_waits_for_approval_as_the_form_does(desk, payer, settings):
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(50)
    make_period()
    rows = [f"2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,-{due},{REASON}" for due in (50, 51)]

    confirm(desk, "adjustment", upload(desk, "adjustment", "\n".join([HEADER, *rows])))

    found = Adjustment.objects.order_by("-due_amount").values_list("due_amount", "needs_approval")
    assert list(found) == [(Decimal(-50), False), (Decimal(-51), True)]


@pytest.mark.parametrize("name", ["0", "x", "=1"])
def test_a_spreadsheet_that_names_no_charge_is_told_so(desk, payer, name):
    make_period()
    row = f"2025-01,credit,ada@example.edu,engine,NSF-1,,,,Outage,0,-1,{REASON},{name}"

    result = upload(desk, "adjustment", f"{HEADER},charge\n{row}\n").context["result"]

    found = [message for invalid in result.invalid_rows for message in invalid.error.messages]
    assert found == [f"There is no charge '{name}'."]


def test_an_xlsx_keeps_its_amounts_exact(desk, payer):
    import tablib  # noqa: PLC0415 - only here

    make_period()
    book = tablib.Dataset(headers=HEADER.split(","))
    book.append(["2025-01", "credit", "ada@example.edu", "engine", "NSF-1", "", "", "", "Outage", 0, -0.1, REASON])
    file = BytesIO(book.export("xlsx"))
    file.name = "rows.xlsx"

    preview = desk.post("/admin/charges/adjustment/import/", {"import_file": file, "format": "1", "resource": "0"})
    confirm(desk, "adjustment", preview)

    assert Adjustment.objects.get().due_amount == Decimal("-0.1")


def test_an_export_disarms_formulas_and_an_import_takes_them_back(desk, db):
    make_project("engine", name='=HYPERLINK("http://evil")', department="+49")

    answers = {"format": "0", "resource": "0"}
    fields = {f"projectresource_{name}": "on" for name in ("code", "name", "department")}
    exported = desk.post("/admin/charges/project/export/", {**answers, **fields}).content.decode()
    confirm(desk, "project", upload(desk, "project", exported.replace("+49", "+50")))

    assert "'=HYPERLINK" in exported
    project = Project.objects.get()
    assert (project.name, project.department) == ('=HYPERLINK("http://evil")', "+50")
