"""What is to replace a charge is said of it before, in small steps: it counts until that is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from charges.importing import discard, import_files, reverse
from charges.importing.loading.superseding import announce
from charges.models import Charge, FocusImport
from charges.review import approve
from periods.errors import Refused
from tests.charges.focus_files import focus_row, write_focus
from tests.make import make_source

pytestmark = pytest.mark.django_db


def deliver(folder: Path, cost: str) -> FocusImport:
    rows = [focus_row(ResourceId=f"i-{n}", EffectiveCost=cost) for n in range(3)]
    loaded = import_files([write_focus(folder / f"{cost}.csv", *rows)], source_name="aws").focus_import
    assert loaded
    return loaded


def due() -> Any:
    return Charge.objects.current().aggregate(due=Sum("due_amount"))["due"]


def staged_to_supersede_all() -> FocusImport:
    """As a process leaves it that was killed just before it loaded."""
    staged = FocusImport.objects.create(source=make_source("aws"))
    announce(staged, Charge.objects.all()[0].period, Charge.objects.values_list("pk", flat=True))
    return staged


def test_charges_count_until_what_replaces_them_is_loaded(tmp_path: Path) -> None:
    deliver(tmp_path, "80")
    staged = staged_to_supersede_all()

    assert due() == 240
    assert not any(charge.is_superseded for charge in Charge.objects.all())
    assert not Charge.objects.superseded().exists()

    FocusImport.objects.filter(pk=staged.pk).update(state="loaded")
    assert due() is None
    assert all(charge.is_superseded for charge in Charge.objects.all())
    assert Charge.objects.superseded().count() == 3


@pytest.mark.parametrize("end", [discard, lambda staged: None], ids=["discarded", "left to the next import"])
def test_what_was_given_up_supersedes_nothing(tmp_path: Path, end: Callable[[FocusImport], object]) -> None:
    deliver(tmp_path, "80")
    end(staged_to_supersede_all())
    second = deliver(tmp_path, "81")

    assert due() == 243
    assert Charge.objects.filter(superseded_by=second).count() == 3
    assert Charge.objects.exclude(superseded_by=None).count() == 3


def test_a_delivery_without_change_clears_what_a_killed_one_said(tmp_path: Path) -> None:
    deliver(tmp_path, "80")
    staged_to_supersede_all()
    write_focus(tmp_path / "more.csv", *[focus_row(ResourceId=f"i-{n}", EffectiveCost="80") for n in range(4)])
    import_files([tmp_path / "more.csv"], source_name="aws")

    assert due() == 320
    assert not Charge.objects.exclude(superseded_by=None).exists()


def test_a_loaded_delivery_that_is_not_discarded_keeps_what_it_superseded(tmp_path: Path) -> None:
    deliver(tmp_path, "80")
    second = deliver(tmp_path, "81")
    with pytest.raises(Refused):
        discard(second)
    assert due() == 243


def test_what_a_reversed_delivery_superseded_is_as_before(tmp_path: Path) -> None:
    deliver(tmp_path, "80")
    reverse(deliver(tmp_path, "81"), reason="A wrong file")
    assert due() == 240
    assert not Charge.objects.exclude(superseded_by=None).exists()


def test_two_deliveries_that_would_replace_the_same_do_not_count_both(tmp_path: Path) -> None:
    """The other one, which loses, says so of the charges after the first did and before that is loaded."""
    deliver(tmp_path, "80")
    other = FocusImport.objects.create(source=make_source("elsewhere"))

    def interfere(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "charges_importscope"'):
            Charge.objects.exclude(superseded_by=None).update(superseded_by=other)
        return execute(sql, *rest)

    with connection.execute_wrapper(interfere):
        second = deliver(tmp_path, "81")

    assert Charge.objects.filter(superseded_by=second).count() == 3
    assert due() == 243


def test_a_charge_about_to_be_replaced_is_decided_about_and_the_decision_goes_along(tmp_path: Path) -> None:
    deliver(tmp_path, "80")
    Charge.objects.update(review_status="held", flags={"late": "late"})
    staged_to_supersede_all()
    assert approve(Charge.objects.held(), reason="As agreed") == 3
    deliver(tmp_path, "80.000000001")
    assert set(Charge.objects.current().values_list("decision_reason", flat=True)) == {"As agreed"}
    assert Charge.objects.superseded().count() == 3
