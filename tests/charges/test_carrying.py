from decimal import Decimal

import pytest

from charges.carrying import carry_deferred
from charges.models import Charge, FocusImport
from periods.models import AuditEntry, BillingPeriod
from tests.make import make_charge, make_closed, make_period, make_source

pytestmark = pytest.mark.django_db


def make_deferred(**kwargs):
    return make_charge(**{"review_status": "deferred", "due_amount": "10", **kwargs})


def carried() -> list[Charge]:
    return list(Charge.objects.filter(kind="carried").order_by("pk"))


def test_deferred_charge_is_loaded_into_the_earliest_later_open_month():
    original = make_deferred(billing_account_id="123")
    make_charge(due_amount="7")
    make_closed(make_period("2025-02"))
    make_period("2025-03")
    make_period("2025-04")

    carry_deferred(original.period)

    (copy,) = carried()
    assert (copy.period.month, copy.origin, copy.review_status, copy.flags) == ("2025-03", original, "clear", {})
    assert (copy.list_amount, copy.contracted_amount, copy.due_amount) == (100, 100, 10)
    assert (copy.pi, copy.project, copy.funding_account) == (original.pi, original.project, original.funding_account)
    assert list(Charge.objects.filter(period=copy.period).billable()) == [copy]
    original.refresh_from_db()
    assert (original.review_status, original.period.month) == ("deferred", "2025-01")


def test_carried_charges_come_by_an_import_of_their_own():
    period = make_deferred(billing_account_id="123").period
    make_deferred(billing_account_id="123")
    make_deferred(billing_account_id="456")
    make_deferred(source=make_source("cloud"))

    imports = carry_deferred(period)

    assert [(found.source.name, found.kind, found.state, found.rows) for found in imports] == [
        ("cluster", "carried", "loaded", 3),
        ("cloud", "carried", "loaded", 1),
    ]
    scopes = imports[0].scopes.order_by("billing_account_id")
    assert [(scope.period.month, scope.billing_account_id, scope.rows) for scope in scopes] == [
        ("2025-02", "123", 2),
        ("2025-02", "456", 1),
    ]
    entries = AuditEntry.objects.filter(action="carry_over").order_by("pk")
    assert [(entry.subject_id, entry.rows, entry.period.month) for entry in entries] == [
        (imports[0].pk, 3, "2025-02"),
        (imports[1].pk, 1, "2025-02"),
    ]


def test_month_is_made_after_the_last_where_no_later_one_is_open():
    period = make_deferred().period
    make_closed(make_period("2025-02"))

    carry_deferred(period)

    assert [copy.period.month for copy in carried()] == ["2025-03"]


def test_charge_aging_is_held():
    first = make_deferred()
    carry_deferred(first.period)
    Charge.objects.filter(kind="carried").update(review_status="deferred")

    carry_deferred(make_period("2025-02"))

    again = carried()[1]
    assert (again.period.month, again.origin, again.review_status) == ("2025-03", carried()[0], "held")
    assert again.flags == {"aging": "Deferred again in February 2025."}


def test_flags_that_nobody_answered_are_asked_again():
    charge = make_deferred(flags={"pattern": "It matches."})

    carry_deferred(charge.period)

    (copy,) = carried()
    assert (copy.review_status, copy.flags) == ("held", {"pattern": "It matches."})
    assert not Charge.objects.filter(period=copy.period).billable().exists()


def test_flags_are_kept_beside_that_of_a_second_deferral():
    first = make_deferred(flags={"pattern": "It matches."})
    carry_deferred(first.period)
    Charge.objects.filter(kind="carried").update(review_status="deferred")

    carry_deferred(make_period("2025-02"))

    assert carried()[1].flags == {"pattern": "It matches.", "aging": "Deferred again in February 2025."}


def test_charge_that_lacks_a_payer_stays_held_with_its_flags():
    charge = make_deferred(pi=None, flags={"missing_pi": "No tag or rule names a PI."})

    carry_deferred(charge.period)

    assert [(copy.review_status, copy.flags) for copy in carried()] == [
        ("held", {"missing_pi": "No tag or rule names a PI."})
    ]


def test_charge_without_an_exchange_rate_stays_held():
    charge = make_deferred(billing_currency="EUR", flags={"foreign_currency": "Billed in EUR."})

    carry_deferred(charge.period)

    assert [copy.review_status for copy in carried()] == ["held"]


def test_nothing_is_made_where_nothing_is_deferred():
    charge = make_charge(due_amount=Decimal(7))

    assert carry_deferred(charge.period) == []
    assert BillingPeriod.objects.count() == 1
    assert FocusImport.objects.count() == 1


def test_superseded_charge_is_not_carried():
    charge = make_deferred()
    Charge.objects.filter(pk=charge.pk).update(superseded_by=charge.loaded_by)

    carry_deferred(charge.period)

    assert carried() == []
