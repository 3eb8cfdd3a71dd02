"""Quarantined rows of a closed month: open once, decided once, and no difference while they come as they came."""

from decimal import Decimal

import pytest

from charges.importing import Delivery, correct_row, discard_issues, import_files, reverse
from charges.models import Charge, ImportIssue
from periods.errors import PeriodNotOpen
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_finalized, make_period

pytestmark = pytest.mark.django_db


def of(month: str, due: str, resource: str = "a", **columns) -> dict:
    return focus_row(BillingPeriodStart=f"{month}-01", ResourceId=resource, EffectiveCost=due, **columns)


JANUARY, BAD = of("2025-01", "1"), of("2025-01", "much", "b")


@pytest.fixture
def folder(tmp_path):
    """Writes the files of a folder and imports it whole, as cron does every night."""

    def deliver(late_to: str | None = None, **files: list[dict]) -> Delivery:
        home = tmp_path / "export"
        home.mkdir(exist_ok=True)
        for name, rows in files.items():
            write_focus(home / f"{name}.csv", *rows)
        return import_files([home], source_name="aws", late_to=late_to)

    return deliver


@pytest.fixture
def late_issue(folder) -> ImportIssue:
    """A row of January that cannot be read, delivered once January was closed."""
    folder(jan=[JANUARY], feb=[of("2025-02", "1")])
    make_closed(make_period("2025-01"))
    folder(jan=[JANUARY, BAD], late_to="2025-02")
    return ImportIssue.objects.get()


def issues() -> list[tuple[str, str, str]]:
    return [(issue.period.month, issue.late_month, issue.status) for issue in ImportIssue.objects.order_by("pk")]


def current(month: str) -> list[tuple[str, Decimal]]:
    charges = Charge.objects.current().filter(period__month=month).order_by("kind", "pk")
    return [(charge.kind, charge.due_amount) for charge in charges]


def nights(folder) -> list[tuple[int, int, int, int]]:
    """Only February changes from night to night."""
    deliveries = [folder(feb=[of("2025-02", str(due))]) for due in (2, 3, 4)]
    return [(d.changed, d.removed, d.quarantined, d.late) for d in deliveries]


def test_a_late_row_knows_its_month(late_issue):
    assert issues() == [("2025-02", "2025-01", "open")]


def test_a_late_row_that_was_corrected_stays_so_night_after_night(folder, late_issue):
    correct_row(late_issue, correction={"EffectiveCost": "50"}, reason="As on the invoice")

    assert nights(folder) == [(1, 0, 0, 0)] * 3

    assert issues() == [("2025-02", "2025-01", "corrected")]
    again = folder(jan=[JANUARY, BAD, of("2025-01", "7", "c")], late_to="2025-02")
    assert (again.added, again.removed) == (1, 0)
    assert current("2025-02") == [("delivered", Decimal(4)), ("late", Decimal(50)), ("late", Decimal(7))]


def test_a_late_row_that_was_discarded_stays_so_night_after_night(folder, late_issue):
    discard_issues(ImportIssue.objects.all(), reason="A row of a test")

    assert nights(folder) == [(1, 0, 0, 1)] * 3

    assert issues() == [("2025-02", "2025-01", "discarded")]


def test_a_row_is_kept_with_the_month_that_it_is_corrected_into(folder):
    folder(jan=[JANUARY], feb=[of("2025-02", "1"), of("2025-02", "5", "b") | {"BillingPeriodStart": "February"}])
    correction = {"BillingPeriodStart": "2025-02-01"}
    correct_row(ImportIssue.objects.get(), correction=correction, reason="As the file is named")

    folder(jan=[of("2025-01", "2")])

    assert issues()[-1] == ("2025-02", "", "corrected")
    assert current("2025-02") == [("delivered", Decimal(1)), ("delivered", Decimal(5))]


@pytest.fixture
def waiting(folder) -> ImportIssue:
    """A row of January that nobody decided before January was closed."""
    folder(jan=[JANUARY, BAD], feb=[of("2025-02", "1")])
    make_closed(make_period("2025-01"))
    return ImportIssue.objects.get()


def test_a_row_that_waits_in_a_closed_month_is_no_difference(folder, waiting):
    assert nights(folder) == [(1, 0, 0, 1)] * 3

    assert issues() == [("2025-01", "", "open")]


@pytest.mark.parametrize("more", [BAD, of("2025-01", "many", "b"), of("2025-01", "7", "c")])
def test_another_row_of_the_closed_month_is_a_difference(folder, waiting, more):
    with pytest.raises(PeriodNotOpen):
        folder(jan=[JANUARY, BAD, more])


def test_a_waiting_row_goes_along_with_the_differences_and_waits_once(folder, waiting):
    folder(jan=[of("2025-01", "2"), BAD], late_to="2025-02")

    assert issues() == [("2025-01", "", "replaced"), ("2025-02", "2025-01", "open")]
    assert nights(folder) == [(1, 0, 0, 1)] * 3
    correct_row(ImportIssue.objects.latest("pk"), correction={"EffectiveCost": "50"}, reason="As on the invoice")
    assert folder(feb=[of("2025-02", "5")]).changed == 1
    assert issues() == [("2025-01", "", "replaced"), ("2025-02", "2025-01", "corrected")]


@pytest.mark.parametrize("nights_before", [0, 1])
def test_a_waiting_row_goes_along_though_nothing_else_differs(folder, waiting, nights_before):
    for due in range(nights_before):
        folder(feb=[of("2025-02", str(due))])

    folder(late_to="2025-02")

    assert issues() == [("2025-01", "", "replaced"), ("2025-02", "2025-01", "open")]
    assert folder(late_to="2025-02").is_repeated


def test_reversing_the_differences_lets_the_row_wait_where_it_was(folder, waiting):
    late = folder(jan=[of("2025-01", "2"), BAD], late_to="2025-02").focus_import

    reverse(late, reason="The wrong file was sent")

    assert issues() == [("2025-01", "", "open"), ("2025-02", "2025-01", "replaced")]


def test_what_a_finalized_month_holds_of_its_quarantine_is_left_as_it_is(folder, waiting):
    discard_issues(ImportIssue.objects.all(), reason="A row of a test")
    make_finalized(make_period("2025-01"))

    late = folder(jan=[of("2025-01", "2"), BAD], late_to="2025-02").focus_import

    assert issues() == [("2025-01", "", "discarded"), ("2025-02", "2025-01", "discarded")]
    reverse(late, reason="The wrong file was sent")
    assert issues()[0] == ("2025-01", "", "discarded")
