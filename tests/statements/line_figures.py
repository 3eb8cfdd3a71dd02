"""Lines of statements, by their figures."""

from decimal import Decimal

from charges.models import FundingShare, FundingSplit
from statements.lines import lines_by_payer
from tests.make import make_charge, make_fund, make_period, make_project


def lines(period=None):
    return [line for found in lines_by_payer(period or make_period()) for line in found.lines]


def make_split(*shares, remainder="REST", project=None, **kwargs):
    split = FundingSplit.objects.create(
        **{
            "project": project or make_project(),
            "first_month": "2024-01",
            "remainder_account": make_fund(remainder),
            **kwargs,
        }
    )
    for code, percent in shares:
        FundingShare.objects.create(split=split, funding_account=make_fund(code), percent=Decimal(percent))
    return split


def split_charge(**kwargs):
    return make_charge(funding_account=None, fund_step="split", **kwargs)
