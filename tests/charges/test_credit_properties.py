"""Whatever the charges, percents and caps: sums are exact, no charge passes zero, no project passes its cap."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from charges.adjusting.apportioning import apportion
from charges.adjusting.crediting import make_campaign, preview_campaign
from charges.models import Adjustment, Charge, CreditCampaign
from charges.money import BILLIONTH, minor_unit
from statements.lines import lines_by_payer
from tests.make import make_charge, make_period, make_project

CENT = Decimal("0.01")
amounts = st.integers(-(10**13), 10**13).map(lambda number: Decimal(number) * BILLIONTH)
coins = st.integers(1, 200_000).map(lambda number: Decimal(number) * CENT)
services = st.sampled_from(["A", "B", "C"])
charges = st.lists(st.tuples(amounts, st.sampled_from(["p", "q"]), services), min_size=1, max_size=8)
terms = st.one_of(
    st.fixed_dictionaries({"method": st.just("percent"), "percent": st.integers(1, 10_000).map(lambda n: n * CENT)}),
    st.fixed_dictionaries({"method": st.sampled_from(["per_charge", "per_project"]), "amount": coins}),
)


@given(
    parts=st.lists(amounts, min_size=1, max_size=12),
    percent=st.integers(0, 100),
    unit=st.sampled_from([CENT, BILLIONTH]),
)
def test_apportioned_shares_stay_within_their_parts_and_add_up(parts: Any, percent: int, unit: Decimal) -> None:
    whole = sum(parts)
    amount = (whole * percent / 100).quantize(unit, "ROUND_DOWN")

    shares = apportion(amount, parts, unit)

    assert all(abs(share) <= abs(part) and share * part >= 0 for share, part in zip(shares, parts, strict=True))
    assert all(share % unit == 0 for share in shares)
    assert abs(sum(shares)) <= abs(amount)
    if unit == BILLIONTH:
        assert sum(shares) == amount


class CampaignProperties(TestCase):
    @settings(max_examples=60, deadline=None)
    @given(dues=charges, terms=terms, cap=st.none() | coins)
    def test_campaign(self, dues: Any, terms: dict[str, Any], cap: Decimal | None) -> None:
        for due, project, service in dues:
            make_charge(due_amount=due, project=make_project(project), service_name=service)
        same = {"period": make_period(), "code": "X", "description": "Outage", "reason": "The cluster was down"}
        effect = preview_campaign(CreditCampaign(**same, **terms, cap=cap))
        if not effect.credits:
            return

        made = make_campaign(CreditCampaign(**same, **terms, cap=cap), seen=effect.mark)

        printed = {code: Decimal(0) for code in ("p", "q")}
        for payer in lines_by_payer(make_period()):
            for line in payer.lines:
                if line.kind == "adjustment":
                    printed[line.adjustment.project.code] -= line.due_amount
        assert made.due_amount == -sum(printed.values())
        assert printed == {"p": 0, "q": 0} | {project.code: project.credited for project in effect.projects}
        limits = [limit for limit in (cap, made.amount_of_project) if limit is not None]
        assert all(0 <= credit <= min(limits, default=credit) for credit in printed.values())
        assert all(credit % minor_unit("USD") == 0 for credit in printed.values())
        for due, credit in Adjustment.objects.values_list("charge__due_amount", "due_amount"):
            assert credit
            assert due * (due + credit) >= 0
            assert due * credit < 0
        if terms["method"] == "per_charge":
            assert all(-credit <= made.amount for credit in Adjustment.objects.values_list("due_amount", flat=True))
        assert Charge.objects.count() == len(dues)
