"""What each kind of adjustment asks for, by the form and by the spreadsheet alike; and the files that it rests on."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from charges.adjusting import adjust, attach_files, withdraw
from charges.models import Adjustment, AdjustmentAttachment
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from tests.make import make_finalized, make_fund, make_period, make_pi, make_project, make_source

ADD, LIST = "/admin/charges/adjustment/add/", "/admin/charges/adjustment/"
COLUMNS = {
    "pi": "pi_email", "project": "project_id", "funding_account": "fund_org", "borne_by": "borne_by", "source": "source",
    "period": "period",
}  # fmt: skip
BEARER, OF_SOURCE = ("borne_by",), ("source",)
GOOD: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "credit": ({"due_amount": "-12.5"}, ()),
    "credit of a source": ({"kind": "credit", "due_amount": "-12.5"}, OF_SOURCE),
    "write_off": ({"due_amount": "-12.5"}, BEARER),
    "correction": ({"list_amount": "-40", "due_amount": "-12.5"}, ()),
    "correction upwards": ({"kind": "correction", "list_amount": "40", "due_amount": "12.5"}, ()),
    "manual": ({"list_amount": "40", "due_amount": "0"}, OF_SOURCE),
}
BAD: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "credit with a list price": (
        {"kind": "credit", "list_amount": "-40", "due_amount": "-12.5"}, (), "A credit or write-off has no list price.",
    ),
    "credit upwards": (
        {"kind": "credit", "due_amount": "12.5"}, (),
        "A credit or write-off lowers the amount due: give a negative amount.",
    ),
    "write-off with a list price": (
        {"kind": "write_off", "list_amount": "-40", "due_amount": "-12.5"}, BEARER,
        "A credit or write-off has no list price.",
    ),
    "write-off that nobody bears": (
        {"kind": "write_off", "due_amount": "-12.5"}, (), "A write-off names the account that bears it.",
    ),
    "manual charge without a source": (
        {"kind": "manual", "list_amount": "40", "due_amount": "0"}, (), "A manual charge needs a source.",
    ),
    "due without a fund": (
        {"kind": "correction", "due_amount": "-12.5", "funding_account": ""}, (),
        "An adjustment with an amount due needs a funding account.",
    ),
}  # fmt: skip


@pytest.fixture
def desk(client, billing_admin):
    client.force_login(billing_admin)
    return client


@pytest.fixture
def rows(db) -> dict[str, Any]:
    return {
        "period": make_period(), "pi": make_pi(), "project": make_project(), "funding_account": make_fund(),
        "borne_by": make_fund("DEAN"), "source": make_source(),
    }  # fmt: skip


def answers(rows: dict[str, Any], changes: dict[str, str], given: tuple[str, ...]) -> dict[str, Any]:
    named = {name: row for name, row in rows.items() if name not in {"borne_by", "source"} or name in given}
    text = {"description": "Agreed", "list_amount": "0", "due_amount": "0", "reason": "Agreed with the dean."}
    return {**named, **text, **changes}


def by_form(desk, told: dict[str, Any], **more: Any) -> list[str]:
    """The sentences that refuse it."""
    response = desk.post(ADD, {name: getattr(value, "pk", value) for name, value in told.items()} | more)
    found = response.context["adminform"].form.errors if response.context else {}
    return [str(error) for errors in found.values() for error in errors]


def by_spreadsheet(desk, told: dict[str, Any]) -> list[str]:
    words = {COLUMNS.get(name, name): _word(value) for name, value in told.items()}
    sheet = f"{','.join(words)}\n{','.join(words.values())}\n"
    file = SimpleUploadedFile("rows.csv", sheet.encode())
    preview = desk.post(f"{LIST}import/", {"import_file": file, "format": "0", "resource": "0"})
    refused = [message for row in preview.context["result"].invalid_rows for message in row.error.messages]
    if not refused:
        desk.post(f"{LIST}process_import/", preview.context["confirm_form"].initial)
    return refused


def _word(value: Any) -> str:
    names = ("month", "email", "code", "name")
    return value if isinstance(value, str) else next(getattr(value, name) for name in names if hasattr(value, name))


@pytest.mark.parametrize("enter", [by_form, by_spreadsheet])
@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_is_entered(desk, rows, kind, enter):
    changes, given = GOOD[kind]

    assert enter(desk, answers(rows, {"kind": kind, **changes}, given)) == []

    made = Adjustment.objects.get()
    assert (made.kind, made.due_amount) == (changes.get("kind", kind), Decimal(changes["due_amount"]))
    assert made.list_amount == Decimal(changes.get("list_amount", "0"))
    assert (made.borne_by, made.source) == (
        rows["borne_by"] if "borne_by" in given else None, rows["source"] if "source" in given else None,
    )  # fmt: skip


@pytest.mark.parametrize("enter", [by_form, by_spreadsheet])
@pytest.mark.parametrize("case", BAD)
def test_what_a_kind_lacks_is_said(desk, rows, case, enter):
    changes, given, sentence = BAD[case]

    assert enter(desk, answers(rows, changes, given)) == [sentence]
    assert Adjustment.objects.count() == 0


# Files


def letter(name: str = "letter.pdf", content: bytes = b"%PDF-1.7 agreed") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def credit(rows: dict[str, Any], **kwargs: Any) -> Adjustment:
    told = {name: row for name, row in rows.items() if name not in {"borne_by", "source"}}
    return adjust(
        **told, kind="credit", description="Agreed", reason="Agreed with the dean.", due_amount=Decimal(-5), **kwargs
    )


def test_a_file_comes_with_the_form(desk, rows):
    assert by_form(desk, answers(rows, {"kind": "credit", "due_amount": "-5"}, ()), file=letter()) == []

    kept = AdjustmentAttachment.objects.get()
    assert (kept.name, kept.read(), kept.adjustment) == ("letter.pdf", b"%PDF-1.7 agreed", Adjustment.objects.get())


def test_a_file_that_is_refused_leaves_no_adjustment(desk, rows):
    told = answers(rows, {"kind": "credit", "due_amount": "-5"}, ())

    assert by_form(desk, told, file=letter(content=b"MZ")) == [
        "letter.pdf is not what its name says: it does not read as pdf."
    ]
    assert Adjustment.objects.count() == 0


def test_a_file_is_added_later_and_audited(desk, rows, billing_admin):
    made = credit(rows)

    response = desk.post(f"{LIST}{made.pk}/step/attach/", {"file": letter()}, follow=True)

    assert [str(message) for message in response.context["messages"]] == [
        f"Attached: letter.pdf to adjustment {made.pk}: Agreed."
    ]
    entry = AuditEntry.objects.get(action="attach")
    assert (entry.subject_id, entry.by, entry.after) == (made.pk, billing_admin, {"files": ["letter.pdf"]})


def test_it_is_saved_by_whoever_may_read_the_adjustment_and_never_shown(client, auditor, rows):
    made = credit(rows, files=[letter()])
    client.force_login(auditor)
    url = f"{LIST}{made.pk}/file/{made.attachments.get().pk}/"

    response = client.get(url)

    assert response.content == b"%PDF-1.7 agreed"
    assert response.headers["Content-Disposition"] == 'attachment; filename="letter.pdf"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert f'href="{url}"' in client.get(f"{LIST}{made.pk}/change/").content.decode()


def test_it_is_found_with_its_own_adjustment_only(desk, rows, client, outsider):
    one, other = credit(rows, files=[letter()]), credit(rows)
    file = one.attachments.get()

    assert desk.get(f"{LIST}{other.pk}/file/{file.pk}/").status_code == 404
    client.force_login(outsider)
    assert client.get(f"{LIST}{one.pk}/file/{file.pk}/").status_code == 302


def test_auditors_attach_nothing(rows, auditor):
    with pytest.raises(NotPermitted):
        attach_files(credit(rows), files=[letter()], by=auditor)


def test_a_finalized_month_takes_no_file(desk, rows):
    made = credit(rows)
    make_finalized(rows["period"])

    with pytest.raises(PeriodLocked):
        attach_files(made, files=[letter()])

    buttons = desk.get(f"{LIST}{made.pk}/change/").context["buttons"]
    assert "Attach a file" not in [button["step"].label for button in buttons]


def test_what_is_withdrawn_takes_no_file(rows):
    made = withdraw(credit(rows), reason="Entered for the wrong lab.")

    with pytest.raises(Refused, match="withdrawn"):
        attach_files(made, files=[letter()])
