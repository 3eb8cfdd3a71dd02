"""A quarantined row is corrected and loaded; the correction holds while its raw text is the same."""

from decimal import Decimal

import pytest

from charges.importing import Delivery, correct_row, discard_issues, import_files, reverse
from charges.models import Charge, FocusImport, ImportIssue
from periods.audit import AuditEntry
from periods.errors import NotPermitted, PeriodNotOpen, Refused, WrongState
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period

pytestmark = pytest.mark.django_db
REASON = "The exporter writes a dollar sign"
BAD = focus_row(ResourceId="bad", EffectiveCost="$1,000.00 ")


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str = "jan.csv", **options) -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name="aws", **options)

    return run


def correct(issue: ImportIssue | None = None, by=None, **correction) -> Charge:
    return correct_row(issue or ImportIssue.objects.get(status="open"), correction=correction, reason=REASON, by=by)


def test_a_corrected_row_is_loaded_like_any_other(deliver):
    deliver(focus_row(), BAD)

    charge = correct(EffectiveCost="70.00")

    assert (charge.due_amount, charge.resource_id, charge.line_number) == (Decimal(70), "bad", 3)
    assert (charge.pi.email, charge.review_status, charge.period.month) == ("ada@example.edu", "clear", "2025-01")
    issue = ImportIssue.objects.get()
    assert (issue.status, issue.correction, issue.charge) == ("corrected", {"EffectiveCost": "70.00"}, charge)
    assert issue.raw_row["EffectiveCost"] == "$1,000.00 "


def test_the_import_keeps_account_of_it(deliver):
    deliver(focus_row(), BAD)

    correct(EffectiveCost="70.00")

    record = FocusImport.objects.get()
    assert (record.rows, record.loaded, record.quarantined, record.added) == (2, 2, 0, 2)
    assert record.totals["USD"]["EffectiveCost"] == {
        "file": "80.00", "loaded": "150.00", "quarantined": "0", "rounding": "0", "corrected": "70.00",
    }  # fmt: skip
    assert AuditEntry.objects.get(action="correct row").after == {"EffectiveCost": "70.00"}


def test_amounts_that_could_be_read_move_from_quarantine_to_loaded(deliver):
    deliver(focus_row(), focus_row(ChargePeriodStart="01/31/2025", EffectiveCost="7"))

    correct(ChargePeriodStart="2025-01-31")

    assert FocusImport.objects.get().totals["USD"]["EffectiveCost"] == {
        "file": "87.00", "loaded": "87.00", "quarantined": "0", "rounding": "0",
    }  # fmt: skip


def test_the_correction_holds_when_the_same_row_comes_again(deliver):
    deliver(focus_row(), BAD)
    first = correct(EffectiveCost="70.00")

    delivery = deliver(focus_row(), BAD, focus_row(ResourceId="new"), name="next.csv")

    assert (delivery.rows, delivery.loaded, delivery.quarantined) == (3, 3, 0)
    assert (delivery.unchanged, delivery.added) == (2, 1)
    assert Charge.objects.current().get(resource_id="bad") == first
    assert [issue.status for issue in ImportIssue.objects.order_by("pk")] == ["corrected", "corrected"]
    assert delivery.totals["USD"]["EffectiveCost"]["file"] == "160.00"


def test_the_correction_ends_when_the_raw_text_changes(deliver):
    deliver(focus_row(), BAD)
    correct(EffectiveCost="70.00")

    delivery = deliver(focus_row(), BAD | {"EffectiveCost": "$1,001.00 "}, name="next.csv")

    assert (delivery.loaded, delivery.quarantined, delivery.removed) == (1, 1, 1)
    assert not Charge.objects.current().filter(resource_id="bad").exists()


def test_each_of_two_equal_rows_needs_its_own_correction(deliver):
    deliver(focus_row(), BAD, BAD)
    correct(ImportIssue.objects.first(), EffectiveCost="70.00")

    deliver(focus_row(), BAD, BAD, focus_row(ResourceId="x"), name="second.csv")
    delivery = deliver(focus_row(), BAD, BAD, focus_row(ResourceId="y"), name="third.csv")

    assert (delivery.loaded, delivery.quarantined) == (3, 1)


def test_a_discarded_row_stays_discarded_when_it_comes_again(deliver):
    deliver(focus_row(), BAD)
    discard_issues(ImportIssue.objects.all(), reason="A test row of the provider")

    deliver(focus_row(), BAD, focus_row(ResourceId="new"), name="next.csv")

    assert [(i.status, i.reason) for i in ImportIssue.objects.order_by("pk")] == [
        ("discarded", "A test row of the provider")
    ] * 2


def test_a_row_that_is_still_unusable_is_refused_and_nothing_is_loaded(deliver):
    deliver(focus_row(), BAD)

    with pytest.raises(Refused) as refusal:
        correct(EffectiveCost="seventy")

    assert str(refusal.value).startswith("The row still cannot be used: EffectiveCost is no number")
    assert (Charge.objects.count(), ImportIssue.objects.get().status) == (1, "open")


@pytest.mark.parametrize("correction", [{}, {"EffectiveCost": "$1,000.00 "}, {"Unknown": "1"}])
def test_nothing_corrected_is_nothing_done(deliver, correction):
    deliver(focus_row(), BAD)

    with pytest.raises(Refused, match="Nothing is corrected"):
        correct(**correction)


def test_a_row_of_the_wrong_width_can_be_put_right(deliver, tmp_path):
    path = write_focus(tmp_path / "x.csv", focus_row())
    header = path.read_text().splitlines()[0].split(",")
    path.write_text(path.read_text() + "2025-01-01,2025-02-01\n")
    import_files([path], source_name="aws")

    charge = correct(**{name: focus_row(ResourceId="fixed")[name] for name in header})

    assert (charge.resource_id, charge.due_amount) == ("fixed", Decimal(80))


def test_a_cell_too_many_is_dropped_by_the_correction_alone(tmp_path, client, billing_admin):
    def with_cell_too_many(*rows: dict) -> None:
        path = write_focus(tmp_path / "x.csv", *rows, focus_row(ResourceId="wide"))
        path.write_text(path.read_text().rstrip("\n") + ",one more\n")
        import_files([path], source_name="aws")

    with_cell_too_many(focus_row())
    charge = correct()

    assert (charge.resource_id, charge.due_amount) == ("wide", Decimal(80))
    entry = AuditEntry.objects.get(action="correct row")
    assert (list(entry.before.values()), entry.after) == (["one more"], {})
    client.force_login(billing_admin)
    page = client.get(f"/admin/charges/importissue/{ImportIssue.objects.get().pk}/change/").content.decode()
    assert "left out" in page
    with_cell_too_many(focus_row(), focus_row(ResourceId="new"))
    assert list(ImportIssue.objects.values_list("status", flat=True)) == ["corrected", "corrected"]
    assert Charge.objects.current().get(resource_id="wide") == charge


def test_a_row_of_the_wrong_width_is_replaced_once_its_accounts_are_delivered_again(tmp_path):
    def deliver(*accounts: str, bad: str = "") -> None:
        path = write_focus(tmp_path / "x.csv", *(focus_row(BillingAccountId=name) for name in accounts))
        path.write_text(path.read_text() + bad)
        import_files([path], source_name="aws")

    deliver("1", "2", bad="2025-01-01,2025-02-01\n")
    deliver("1", "3")
    assert ImportIssue.objects.get().status == "open"

    deliver("1", "2", "3")

    assert ImportIssue.objects.get().status == "replaced"


def test_a_row_with_two_columns_without_a_name_is_corrected(tmp_path):
    bad = focus_row(EffectiveCost="$1")
    path = write_focus(tmp_path / "x.csv", focus_row(), bad)
    path.write_text(
        "".join(f"a,b,{line}" for line in path.read_text().splitlines(keepends=True)).replace("a,b,", ",,", 1)
    )
    import_files([path], source_name="aws")

    charge = correct(EffectiveCost="5", ResourceId="fixed")

    assert (charge.resource_id, charge.due_amount) == ("fixed", Decimal(5))
    raw = ImportIssue.objects.get().raw_row
    assert (raw["column 1"], raw["column 2"]) == ("a", "b")


def test_a_late_row_is_corrected_where_the_differences_go(deliver):
    deliver(focus_row(EffectiveCost="80"))
    make_closed(make_period("2025-01"))
    deliver(focus_row(EffectiveCost="80"), BAD, name="late.csv", late_to="2025-03")

    charge = correct(EffectiveCost="70.00")

    assert (charge.period.month, charge.kind, charge.late_month) == ("2025-03", "late", "2025-01")
    assert (charge.review_status, list(charge.flags)) == ("held", ["late"])
    good = [focus_row(EffectiveCost="80"), BAD | {"EffectiveCost": "70.00"}]
    again = deliver(*good, name="good.csv", late_to="2025-03")
    assert (again.unchanged, again.added, again.removed) == (2, 0, 0)
    make_closed(make_period("2025-03"))


def test_a_closed_month_takes_no_corrected_row(deliver):
    deliver(focus_row(), BAD)
    make_closed(make_period("2025-01"))

    with pytest.raises(PeriodNotOpen):
        correct(EffectiveCost="70.00")


def test_a_decided_row_is_not_corrected_again(deliver):
    deliver(focus_row(), BAD)
    issue = ImportIssue.objects.get()
    correct(issue, EffectiveCost="70.00")

    with pytest.raises(WrongState):
        correct(issue, EffectiveCost="71.00")


def test_reversing_the_import_takes_the_corrected_row_with_it(deliver):
    delivery = deliver(focus_row(), BAD)
    correct(EffectiveCost="70.00")

    reverse(delivery.focus_import, reason="The wrong file was sent")

    assert not Charge.objects.current().exists()
    assert ImportIssue.objects.get().status == "replaced"


def test_correcting_needs_its_permission(deliver, auditor):
    deliver(focus_row(), BAD)

    with pytest.raises(NotPermitted):
        correct(by=auditor, EffectiveCost="70.00")


def test_a_row_is_corrected_in_the_admin(deliver, client, billing_admin):
    deliver(focus_row(), BAD)
    issue = ImportIssue.objects.get()
    client.force_login(billing_admin)
    page = f"/admin/charges/importissue/{issue.pk}/step/correct/"

    form = client.get(page).context["form"]
    [name] = [key for key, field in form.fields.items() if field.label == "EffectiveCost"]
    given = {key: field.initial or "" for key, field in form.fields.items()}
    response = client.post(page, given | {name: "70.00", "reason": REASON})

    assert response.status_code == 302
    assert Charge.objects.get(resource_id="bad").due_amount == Decimal(70)
    labels = [field.label for field in form.fields.values()]
    assert (labels[0], labels[-1]) == ("EffectiveCost", "Reason")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_text_of_several_lines_keeps_them_though_browsers_write_their_own(deliver, client, billing_admin, ends):
    tags = f'{{"pi_email":{ends} "ada@example.edu",{ends}"project_id": "engine", "fund_org": "NSF-1"}}'
    deliver(focus_row(), BAD | {"Tags": tags})
    client.force_login(billing_admin)
    page = f"/admin/charges/importissue/{ImportIssue.objects.get().pk}/step/correct/"
    form = client.get(page).context["form"]
    keys = {field.label: key for key, field in form.fields.items()}

    given = {key: (field.initial or "").replace(ends, "\r\n") for key, field in form.fields.items()}
    client.post(page, given | {keys["EffectiveCost"]: "70.00", "reason": REASON})

    assert form.fields[keys["Tags"]].widget.__class__.__name__ == "UnfoldAdminTextareaWidget"
    assert ImportIssue.objects.get().correction == {"EffectiveCost": "70.00"}
