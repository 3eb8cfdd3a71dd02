"""The nightly file of a closed month, after one of its charges was corrected: nothing is billed twice."""

from decimal import Decimal

import pytest

from charges.correcting.grounds import Grounds
from charges.correcting.rebilling import Right, correct
from charges.importing import import_files
from charges.importing.loading.current import Overtaken
from charges.importing.loading.late import not_loaded
from charges.models import Charge, FocusImport, Source
from periods.errors import PeriodNotOpen, Refused
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_finalized, make_fund, make_period, make_project

pytestmark = pytest.mark.django_db
GROUNDS = Grounds(
    cause="payer",
    explanation="The nodes were tagged with the project of the group next door.",
    justification="The group next door told us of it only when its award was closed out.",
    certifier="Ada Lovelace",
)
NOBODY = Right(is_billed=False)


def of(resource: str, due: str, **columns) -> dict:
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), due)
    return focus_row(ResourceId=resource, ResourceName=resource, **costs, **columns)


@pytest.fixture
def deliver(tmp_path):
    def run(*rows: dict, name: str, **options):
        return import_files([write_focus(tmp_path / name, *rows)], source_name="aws", **options)

    return run


@pytest.fixture
def january(deliver):
    """Finalized, with a and b; February takes corrections, March late differences."""
    deliver(of("a", "10"), of("b", "20"), name="january.csv")
    make_finalized(make_closed(make_period("2025-01")))
    make_period("2025-02"), make_period("2025-03")
    return Charge.objects.get(resource_id="a")


def other_project() -> Right:
    return Right(project=make_project("other"), funding_account=make_fund("NSF-2"))


def billed() -> dict[str, Decimal]:
    """What each project owes, over all months, if everything that is held is approved."""
    owed: dict[str, Decimal] = {}
    for charge in Charge.objects.current().exclude(review_status="excluded").select_related("project"):
        owed[charge.project.code] = owed.get(charge.project.code, Decimal(0)) + charge.due_amount
    return owed


@pytest.mark.parametrize("right", [NOBODY, Right(due_amount=Decimal(4)), other_project], ids=["nobody", "due", "payer"])
def test_an_unchanged_file_is_nothing_new(deliver, january, right):
    correct([january.pk], grounds=GROUNDS, right=right() if callable(right) else right)
    before = billed()

    same = deliver(of("a", "10"), of("b", "20"), name="january.csv")
    again = deliver(of("b", "20"), of("a", "10"), name="other-bytes.csv")
    late = deliver(of("a", "10"), of("b", "20"), of("c", "0"), name="late.csv", late_to="2025-03")

    assert (same.is_repeated, again.added, again.changed, again.removed) == (True, 0, 0, 0)
    assert (late.added, late.changed, late.removed, late.unchanged) == (1, 0, 0, 2)
    assert billed() == before


def test_a_changed_file_is_refused_until_it_is_said_where_to(deliver, january):
    correct([january.pk], grounds=GROUNDS, right=NOBODY)

    with pytest.raises(PeriodNotOpen):
        deliver(of("a", "14"), of("b", "20"), name="changed.csv")


def test_a_changed_file_reverses_the_rebill_and_bills_who_was_found_right(deliver, january):
    correct([january.pk], grounds=GROUNDS, right=other_project())

    late = deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-03")

    assert (late.added, late.changed, late.removed, late.unchanged) == (0, 1, 0, 1)
    assert billed() == {"engine": Decimal(20), "other": Decimal(14)}
    rebilled = Charge.objects.get(period__month="2025-03", kind="late")
    assert (rebilled.funding_account.code, rebilled.origin.kind) == ("NSF-2", "rebill")


def test_the_fund_of_a_project_that_was_found_right_bears_the_changed_row(deliver, january):
    project = make_project("other")
    project.splits.create(first_month="2025-01", remainder_account=make_fund("REST"))
    correct([january.pk], grounds=GROUNDS, right=Right(project=project))

    deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-03")

    rebilled = Charge.objects.get(period__month="2025-03", kind="late")
    assert (rebilled.project, rebilled.fund_step) == (project, "split")


def test_a_changed_row_that_nobody_was_to_pay_is_held_and_says_so(deliver, january):
    correct([january.pk], grounds=GROUNDS, right=NOBODY)

    deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-03")

    found = Charge.objects.get(period__month="2025-03")
    assert (found.kind, found.due_amount, found.review_status) == ("late", Decimal(14), "held")
    assert found.flags["late"].endswith(f"What it replaces is excluded: {GROUNDS.explanation}")
    assert billed() == {"engine": Decimal(34)}


def test_a_row_that_vanishes_takes_its_rebill_along(deliver, january):
    correct([january.pk], grounds=GROUNDS, right=other_project())

    deliver(of("b", "20"), name="fewer.csv", late_to="2025-03")

    assert billed() == {"engine": Decimal(20), "other": Decimal(0)}


def test_what_a_late_file_reversed_is_not_corrected_as_well(deliver, january):
    deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-03")

    with pytest.raises(Refused, match="is reversed already, in March 2025 by import"):
        correct([january.pk], grounds=GROUNDS, right=NOBODY)


def test_a_late_row_is_corrected_once_its_month_is_finalized(deliver, january):
    deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-02")
    make_finalized(make_period("2025-02"))
    late = Charge.objects.get(kind="late")

    assert late.review_status == "held"
    with pytest.raises(Refused, match="its month billed nothing for it"):
        correct([late.pk], grounds=GROUNDS, right=NOBODY)


def test_a_correction_made_while_a_late_file_is_read_lets_it_be_run_again(deliver, january):
    """Else both would reverse the same charge."""

    def while_read(rows: int, share: float) -> None:
        correct([january.pk], grounds=GROUNDS, right=NOBODY)

    with pytest.raises(Overtaken):
        deliver(of("a", "14"), of("b", "20"), name="changed.csv", late_to="2025-03", progress=while_read)
    assert Charge.objects.current().filter(kind="reversal").count() == 1


def test_a_file_that_waits_is_not_answered_by_a_correction(deliver, january):
    Source.objects.update(late_policy="keep")
    deliver(of("a", "10"), of("b", "24"), name="changed.csv")

    correct([january.pk], grounds=GROUNDS, right=NOBODY)

    assert [late["due"] for late in not_loaded("2025-01")] == ["4"]


def test_an_appended_row_that_was_corrected_is_known_when_it_comes_again(deliver):
    rows = [of(name, "10", oci_ReferenceNumber=name) for name in ("a", "b")]
    deliver(*rows, name="first.csv")
    make_finalized(make_closed(make_period("2025-01")))
    make_period("2025-02")
    correct([Charge.objects.get(reference="a").pk], grounds=GROUNDS, right=NOBODY)

    again = deliver(*rows, of("c", "5", oci_ReferenceNumber="c"), name="more.csv", late_to="2025-02")

    assert (again.added, again.unchanged, again.quarantined) == (1, 2, 0)
    assert FocusImport.objects.filter(kind="correction").count() == 1
