"""Makes rows for tests: every value has a default, so that a test names only what it is about."""

from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from charges.models import (
    Charge,
    Correction,
    ExchangeRate,
    FocusImport,
    FundingAccount,
    ImportScope,
    PrincipalInvestigator,
    Project,
    Source,
)
from periods.models import BillingPeriod
from statements.models import Seal, Statement, StatementLine

numbers = count(1)


def make_period(month: str = "2025-01", **kwargs: Any) -> BillingPeriod:
    return BillingPeriod.objects.get_or_create(month=month, defaults=kwargs)[0]


def make_closed(period: BillingPeriod) -> BillingPeriod:
    """Closed whatever stands in the way: blockers have tests of their own."""
    BillingPeriod.objects.filter(pk=period.pk).update(state="closed")
    return BillingPeriod.objects.get(pk=period.pk)


def make_finalized(period: BillingPeriod) -> BillingPeriod:
    """Finalized under a seal that says nothing: sealing has tests of its own."""
    number = Seal.objects.count() + 1
    Seal.objects.create(
        period=period, number=number, algorithm=0, head=f"head {number}", counts={}, totals={}, sealed_at=timezone.now()
    )
    BillingPeriod.objects.filter(pk=period.pk).update(state="finalized")
    return BillingPeriod.objects.get(pk=period.pk)


def make_source(name: str = "cluster", **kwargs: Any) -> Source:
    return Source.objects.get_or_create(name=name, defaults=kwargs)[0]


def make_pi(email: str = "ada@example.edu", **kwargs: Any) -> PrincipalInvestigator:
    return PrincipalInvestigator.objects.get_or_create(
        email=email, defaults={"name": email.partition("@")[0], **kwargs}
    )[0]


def make_project(code: str = "engine", **kwargs: Any) -> Project:
    return Project.objects.get_or_create(code=code, defaults=kwargs)[0]


def make_fund(code: str = "NSF-1", **kwargs: Any) -> FundingAccount:
    return FundingAccount.objects.get_or_create(code=code, defaults=kwargs)[0]


def make_rate(rate: str, **kwargs: Any) -> ExchangeRate:
    """Of one euro, for the cluster's January."""
    known = {"source": make_source(), "period": make_period(), "currency": "EUR", "origin": "ECB", **kwargs}
    return ExchangeRate.objects.create(rate=Decimal(rate), rate_date=date(2025, 1, 31), **known)


def make_import(period: BillingPeriod, source: Source, **kwargs: Any) -> FocusImport:
    """A loaded import with one scope."""
    loaded = FocusImport.objects.create(**{"source": source, "state": FocusImport.State.LOADED, **kwargs})
    ImportScope.objects.create(focus_import=loaded, period=period)
    return loaded


def make_charge(
    *,
    list_amount: Any = "100",
    due_amount: Any = "0",
    contracted_amount: Any = None,
    period: BillingPeriod | None = None,
    source: Source | None = None,
    **kwargs: Any,
) -> Charge:
    """A current, clear charge of ada's project engine on NSF-1; list 100, due 0, all of it subsidy."""
    period, source = period or make_period(), source or make_source()
    loaded = kwargs.pop("loaded_by", None) or (
        FocusImport.objects.filter(source=source, scopes__period=period, state="loaded").first()
        or make_import(period, source)
    )
    list_amount, due_amount = Decimal(list_amount), Decimal(due_amount)
    return Charge.objects.create(
        **{
            "period": period,
            "source": source,
            "loaded_by": loaded,
            "line_number": next(numbers),
            "billing_currency": period.currency,
            "service_name": "HPC Cluster",
            "resource_id": "node-1",
            "resource_name": "node-1",
            "list_cost": list_amount,
            "effective_cost": due_amount,
            "list_amount": list_amount,
            "contracted_amount": list_amount if contracted_amount is None else Decimal(contracted_amount),
            "due_amount": due_amount,
            "pi": make_pi(),
            "project": make_project(),
            "funding_account": make_fund(),
            "fund_step": "tag",
            **kwargs,
        }
    )


def make_correction(*, period: BillingPeriod, original: Charge, **kwargs: Any) -> Correction:
    """Why the charge was billed anew; the stage that bills it has tests of its own."""
    known = {
        "period": period, "original": original, "reversal": original, "rebill": original, "cause": "payer",
        "explanation": "The nodes were tagged with the project of the group next door.", "certifier": "Ada Lovelace",
    }  # fmt: skip
    return Correction.objects.create(**{**known, **kwargs})


def make_statement(
    *, list_amount: Any = "100", due_amount: Any = "0", period: BillingPeriod | None = None, **kwargs: Any
) -> Statement:
    """An issued statement of ada's project engine without lines; all of its discount is a subsidy."""
    period = period or make_period()
    pi, project = kwargs.pop("pi", None) or make_pi(), kwargs.pop("project", None) or make_project()
    list_amount, due_amount = Decimal(list_amount), Decimal(due_amount)
    return Statement.objects.create(
        **{
            "period": period,
            "pi": pi,
            "project": project,
            "number": next(numbers),
            "state": Statement.State.ISSUED,
            "currency": period.currency,
            "pi_name": pi.name,
            "pi_email": pi.email,
            "project_code": project.code,
            "project_name": project.name,
            "list_amount": list_amount,
            "provider_discount": Decimal(0),
            "subsidy": due_amount - list_amount,
            "adjustments": Decimal(0),
            "due_amount": due_amount,
            **kwargs,
        }
    )


def make_line(statement: Statement, *, list_amount: Any = "100", due_amount: Any = "0", **kwargs: Any) -> StatementLine:
    list_amount, due_amount = Decimal(list_amount), Decimal(due_amount)
    return StatementLine.objects.create(
        **{
            "statement": statement,
            "source": make_source(),
            "service_name": "HPC Cluster",
            "funding_account": make_fund(),
            "credit_account": "cluster",
            "list_amount": list_amount,
            "provider_discount": Decimal(0),
            "subsidy": due_amount - list_amount,
            "due_amount": due_amount,
            **kwargs,
        }
    )
