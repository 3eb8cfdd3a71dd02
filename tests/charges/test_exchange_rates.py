"""An exchange rate that charges were converted by stands until they are undecided again."""

from decimal import Decimal

import pytest
from django.test import Client

from charges import review
from charges.models import Charge, ExchangeRate
from tests.make import make_charge, make_import, make_period, make_source

ADD = "/admin/charges/exchangerate/add/"
IN_USE = ["Charges were converted by this rate: undo their approval first."]


@pytest.fixture
def desk(client, billing_admin):
    client.force_login(billing_admin)
    return client


def answers(**changes):
    return {
        "source": make_source().pk,
        "period": make_period().pk,
        "currency": "EUR",
        "rate": "1.1",
        "rate_date": "2025-01-31",
        "origin": "ECB",
    } | changes


def enter(desk: Client, **changes):
    desk.post(ADD, answers(**changes))
    return ExchangeRate.objects.get()


def change(desk, kept, **changes):
    return desk.post(f"/admin/charges/exchangerate/{kept.pk}/change/", answers(**changes))


def test_the_form_says_which_way_round_the_rate_is(desk):
    form = desk.get(ADD).context["adminform"].form

    assert form["rate"].help_text == "Units of the month's currency for 1 unit of this one"


@pytest.fixture
def used(desk):
    rate = enter(desk)
    make_charge(billing_currency="EUR", due_amount="10", review_status="held", flags={"foreign_currency": "In EUR"})
    review.approve(Charge.objects.all())
    return rate


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": "1.2"},
        {"currency": "GBP"},
        {"period": lambda: make_period("2025-02").pk},
        {"source": lambda: make_source("aws").pk},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_rate_in_use_is_not_changed(desk, used, changes):
    response = change(desk, used, **{name: value() if callable(value) else value for name, value in changes.items()})

    assert response.context["adminform"].form.non_field_errors() == IN_USE
    used.refresh_from_db()
    assert (used.rate, used.currency, used.period, used.source) == (
        Decimal("1.1"), "EUR", make_period(), make_source(),
    )  # fmt: skip


def test_an_old_version_of_a_rate_in_use_is_not_reverted_to(desk, used):
    first = used.history.latest()
    ExchangeRate.objects.filter(pk=used.pk).update(rate="1.3")

    response = desk.post(f"/admin/charges/exchangerate/{used.pk}/history/{first.pk}/", answers())

    assert response.context["adminform"].form.non_field_errors() == IN_USE


def test_what_is_no_figure_of_a_rate_in_use_may_change(desk, used):
    assert change(desk, used, origin="European Central Bank").status_code == 302

    used.refresh_from_db()
    assert used.origin == "European Central Bank"


def test_a_rate_is_changed_once_the_approval_is_undone(desk, used):
    review.undo(Charge.objects.all())

    assert change(desk, used, rate="1.2").status_code == 302
    review.approve(Charge.objects.all())
    assert Charge.objects.get().due_amount == 12


def test_a_superseded_charge_does_not_hold_the_rate(desk, used):
    later = make_import(make_period(), make_source())
    Charge.objects.update(superseded_by=later)

    assert change(desk, used, rate="1.2").status_code == 302


def test_a_currency_is_kept_in_capitals_and_has_one_rate(desk):
    assert enter(desk, currency="eur").currency == "EUR"

    response = desk.post(ADD, answers(currency="Eur"))

    assert response.context["adminform"].form.non_field_errors() == [
        "Exchange rate with this Source, Period and Currency already exists."
    ]
