"""Percents add up: what the shares leave of one hundred is the remainder account's."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from charges.models import FundingShare, FundingSplit
from tests.make import make_closed, make_finalized, make_fund, make_period, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def split() -> FundingSplit:
    made = FundingSplit.objects.create(
        project=make_project(), first_month="2025-01", remainder_account=make_fund("REST")
    )
    for code, percent in (("A", "33.33"), ("B", "33.33")):
        FundingShare.objects.create(split=made, funding_account=make_fund(code), percent=Decimal(percent))
    return made


def test_the_remainder_account_takes_what_is_left(split: FundingSplit) -> None:
    assert [(fund.code, percent) for fund, percent in split.parts()] == [
        ("A", Decimal("33.33")),
        ("B", Decimal("33.33")),
        ("REST", Decimal("33.34")),
    ]


def test_shares_may_take_all_and_never_more(split: FundingSplit) -> None:
    last = FundingShare.objects.create(split=split, funding_account=make_fund("C"), percent=Decimal("33.34"))

    for percent in (Decimal("33.35"), Decimal("99.99")):
        with pytest.raises(IntegrityError, match="more than 100 percent"), transaction.atomic():
            FundingShare.objects.filter(pk=last.pk).update(percent=percent)
    with pytest.raises(IntegrityError, match="more than 100 percent"), transaction.atomic():
        FundingShare.objects.create(split=split, funding_account=make_fund("D"), percent=Decimal("0.01"))


@pytest.mark.parametrize("percent", ["0", "-5", "100"])
def test_a_share_is_more_than_nothing_and_less_than_all(split: FundingSplit, percent: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        FundingShare.objects.create(split=split, funding_account=make_fund("C"), percent=Decimal(percent))


@pytest.mark.parametrize(
    ("last_month", "month", "holds"),
    [("", "2024-12", False), ("", "2030-01", True), ("2025-02", "2025-02", True), ("2025-02", "2025-03", False)],
)
def test_a_split_holds_for_whole_months(split: FundingSplit, last_month: str, month: str, holds: bool) -> None:
    split.last_month = last_month

    assert split.is_in_force(month) is holds


def test_what_divided_a_finalized_month_is_only_ended(client, billing_admin):
    split = FundingSplit.objects.create(project=make_project(), first_month="2025-01", remainder_account=make_fund("B"))
    share = split.shares.create(funding_account=make_fund("A"), percent=60)
    make_finalized(make_closed(make_period("2025-02")))
    client.force_login(billing_admin)
    page = reverse("admin:charges_fundingsplit_change", args=[split.pk])

    def post(last_month: str) -> Any:
        shares = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, "0-id": share.pk, "0-percent": "10", "0-funding_account": 1}
        inline = {f"shares-{name}": value for name, value in shares.items()}
        return client.post(page, {"last_month": last_month, "first_month": "2025-03", **inline})

    refused, done = post("2025-01"), post("2025-02")

    split.refresh_from_db()
    share.refresh_from_db()
    assert [refused.status_code, done.status_code] == [200, 302]
    assert (split.first_month, split.last_month, share.percent) == ("2025-01", "2025-02", 60)
