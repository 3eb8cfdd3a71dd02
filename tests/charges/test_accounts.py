"""An export that begins to name its billing accounts, or no longer does, bills no month twice, and loses no row unsaid."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from charges.importing import Delivery, import_files, reverse
from charges.models import Charge, FocusImport, Source
from charges.review import exclude
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_closed, make_period

pytestmark = pytest.mark.django_db
ROWS = [focus_row(ResourceId=resource, EffectiveCost="10") for resource in "abc"]
NAMED = [{**row, "BillingAccountId": "A-1"} for row in ROWS]
GAINED = (
    "2025-01 holds 3 rows of cluster without a billing account, and this delivery names accounts: its rows take the "
    "place of those. If both count, one needs a source of its own."
)
LOST = GAINED.replace("without a billing account", "of the billing accounts a-1").replace(
    "names accounts", "names no account"
)


@pytest.fixture
def deliver(tmp_path):
    def run(rows: list[dict], name: str = "jan.csv", **options: Any) -> Delivery:
        return import_files([write_focus(tmp_path / name, *rows)], source_name="cluster", **options)

    return run


def due() -> Decimal:
    return sum(charge.due_amount for charge in Charge.objects.current())


@pytest.mark.parametrize(("first", "second", "sentence"), [(ROWS, NAMED, GAINED), (NAMED, ROWS, LOST)])
def test_what_would_be_billed_twice_is_refused_and_by_force_replaced(deliver, first, second, sentence):
    deliver(first)
    exclude(Charge.objects.filter(resource_id="b"), reason="Our own experiment")

    preview = deliver(second, dry_run=True)
    with pytest.raises(Refused) as refusal:
        deliver(second)
    before = due()
    forced = deliver(second, force=True)

    assert (preview.doubt, preview.changed, preview.added, preview.removed) == (sentence, 3, 0, 0)
    assert (str(refusal.value), before) == (f"{sentence} Use --force if that is right.", 30)
    assert (forced.changed, forced.added, forced.removed, forced.unchanged, due()) == (3, 0, 0, 0, 30)
    assert sentence in forced.warnings
    assert [c.review_status for c in Charge.objects.current().order_by("resource_id")] == ["clear", "excluded", "clear"]


def test_a_forced_delivery_is_the_latest_of_both_and_can_be_reversed(deliver):
    first = deliver(ROWS)
    forced = deliver(NAMED, force=True)
    again = deliver(NAMED)

    with pytest.raises(Refused, match="Only the latest delivery can be reversed"):
        reverse(first.focus_import, reason="A wrong export")
    reverse(forced.focus_import, reason="A wrong export")

    assert again.is_repeated
    assert set(Charge.objects.current().values_list("billing_account_id", "loaded_by")) == {("", first.focus_import.pk)}


def test_accounts_that_are_delivered_apart_leave_each_other_alone(deliver):
    deliver(NAMED)
    deliver([{**row, "BillingAccountId": "A-2"} for row in ROWS], "two.csv")
    both = [*NAMED[:2], {**ROWS[0], "BillingAccountId": ""}]
    deliver(both, "mixed.csv")

    assert due() == 60  # two of A-1, three of A-2, one of none


def test_rows_without_an_account_that_vanish_beside_others_are_said_so(deliver):
    deliver([*NAMED, {**ROWS[0], "BillingAccountId": ""}])

    with pytest.raises(Refused, match="2025-01 holds 1 row of cluster without a billing account"):
        deliver(NAMED)
    deliver(NAMED, force=True)

    assert due() == 30


@pytest.mark.parametrize("policy", ["refuse", "keep"])
def test_a_closed_month_is_billed_the_difference_alone(deliver, policy):
    deliver(ROWS)
    make_closed(make_period("2025-01"))
    Source.objects.update(late_policy=policy)
    dearer = [NAMED[0], NAMED[1], {**NAMED[2], "EffectiveCost": "12"}]

    with pytest.raises(Refused) as refusal:
        deliver(dearer, late_to="2025-02")
    loaded = deliver(dearer, late_to="2025-02", force=True)

    assert str(refusal.value) == f"{GAINED} Use --force if that is right."
    assert [(late["rows"], late["due"]) for late in loaded.late_months] == [(6, "2")]
    assert (due(), deliver(dearer).is_repeated) == (32, True)


def test_what_is_kept_of_a_closed_month_shows_the_difference_alone(deliver):
    deliver(ROWS)
    make_closed(make_period("2025-01"))
    Source.objects.update(late_policy="keep")

    kept = deliver([NAMED[0], NAMED[1], {**NAMED[2], "EffectiveCost": "12"}])

    assert [(late["rows"], late["due"]) for late in kept.late_months] == [(6, "2")]


def test_the_command_says_so_and_loads_by_force(tmp_path, capsys):
    for rows in (ROWS, NAMED):
        path = str(write_focus(tmp_path / "jan.csv", *rows))
        if rows is ROWS:
            call_command("import_focus", path, source="cluster")
    call_command("import_focus", path, source="cluster", dry_run=True)
    said = capsys.readouterr().out
    with pytest.raises(CommandError, match="without a billing account"):
        call_command("import_focus", path, source="cluster")
    call_command("import_focus", path, source="cluster", force=True)

    assert f"It would be refused: {GAINED} Use --force if that is right." in said.splitlines()
    assert FocusImport.objects.loaded().count() == 2


def test_an_append_source_goes_by_its_references(deliver):
    Source.objects.create(name="cluster", delivery="append", reference_column="x_Ref")
    deliver([{**row, "x_Ref": row["ResourceId"]} for row in ROWS])

    again = deliver([{**row, "x_Ref": row["ResourceId"]} for row in NAMED])

    assert (again.added, again.unchanged, due()) == (0, 3, 30)
