"""A credit campaign: many charges, one reason, one code; previewed, then made as previewed."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charges.adjusting import adjust
from charges.adjusting.credit_effect import credited_projects
from charges.adjusting.crediting import (
    approve_campaign,
    make_campaign,
    preview_campaign,
    refuse_campaign,
    withdraw_campaign,
)
from charges.models import Adjustment, Charge, CreditCampaign, FundingSplit
from periods.blockers import checklist
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from statements.lines import lines_by_payer
from tests.make import (
    make_charge,
    make_closed,
    make_finalized,
    make_fund,
    make_import,
    make_period,
    make_pi,
    make_project,
    make_source,
)

pytestmark = pytest.mark.django_db
REASON = "The cluster was down for two days"


def campaign(**changes: Any) -> CreditCampaign:
    terms = {"period": make_period(), "code": "OUTAGE-1", "description": "Outage of 3 January", "reason": REASON}
    if not {"percent", "amount"} & set(changes):
        changes["percent"] = Decimal(10)
    return CreditCampaign(**terms | changes)


def per_charge(amount: str, **changes: Any) -> CreditCampaign:
    return campaign(method="per_charge", amount=Decimal(amount), **changes)


def per_project(amount: str, **changes: Any) -> CreditCampaign:
    return campaign(method="per_project", amount=Decimal(amount), **changes)


def credits_made(made: CreditCampaign) -> list[Decimal]:
    return list(made.adjustments.order_by("charge").values_list("due_amount", flat=True))


def credit_lines() -> list[tuple[str, str, Decimal]]:
    lines = [line for payer in lines_by_payer(make_period()) for line in payer.lines if line.kind == "adjustment"]
    return [(line.description, str(line.funding_account), line.due_amount) for line in lines]


def test_a_percent_credits_every_charge_and_prints_one_line_with_the_code(reviewer: User) -> None:
    for due in ("100", "50.55"):
        make_charge(due_amount=due)
    make_charge(due_amount="0")

    made = make_campaign(campaign(code=" outage-1 "), by=reviewer)

    assert credits_made(made) == [Decimal(-10), Decimal("-5.055")]
    assert (made.code, made.charges, made.projects, made.due_amount) == ("OUTAGE-1", 2, 1, Decimal("-15.06"))
    assert credit_lines() == [("OUTAGE-1 Outage of 3 January, HPC Cluster", "NSF-1", Decimal("-15.06"))]


def test_a_credit_says_all_that_an_adjustment_says(reviewer: User) -> None:
    charge = make_charge(due_amount="100", account_code="54000")

    made = make_campaign(campaign(), by=reviewer)

    (credit,) = made.adjustments.all()
    assert (credit.kind, credit.charge, credit.source, credit.pi) == ("credit", charge, charge.source, charge.pi)
    assert (credit.project, credit.funding_account) == (charge.project, charge.funding_account)
    assert (credit.account_code, credit.reason, credit.created_by) == ("54000", REASON, reviewer)
    assert (credit.description, credit.list_amount) == ("OUTAGE-1 Outage of 3 January", 0)


def test_one_audit_entry_for_a_campaign(reviewer: User) -> None:
    for number in range(3):
        make_charge(due_amount="100", project=make_project(f"p{number}"))

    made = make_campaign(campaign(service_name="HPC Cluster", cap=Decimal(5)), by=reviewer)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject_id, entry.rows, entry.reason) == ("credit", made.pk, 3, REASON)
    assert entry.after == {
        "service_name": "HPC Cluster", "method": "percent", "percent": "10", "cap": "5", "due": "-15.00",
    }  # fmt: skip


def test_charges_of_less_than_a_coin_are_credited_too() -> None:
    """A cloud bill is made of them: each rounded by itself, the credit would be nothing, or twice too much."""
    for _ in range(100):
        make_charge(due_amount="0.04")

    made = make_campaign(campaign())

    assert set(credits_made(made)) == {Decimal("-0.004")}
    assert [due for _, _, due in credit_lines()] == [Decimal("-0.40")]


def test_what_comes_to_nothing_in_print_makes_no_row() -> None:
    make_charge(due_amount="0.04")

    with pytest.raises(Refused, match="No charge is credited by this"):
        make_campaign(campaign())

    assert (CreditCampaign.objects.count(), Adjustment.objects.count()) == (0, 0)


def on(day: int, hour: int = 0) -> datetime:
    return datetime(2025, 1, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filters", "credited"),
    [
        ({}, {"a", "b", "c", "d"}),
        ({"source": "tape"}, {"b"}),
        ({"service_name": "GPU"}, {"c"}),
        ({"project": "other"}, {"d"}),
        ({"pi": "grace@example.edu"}, {"d"}),
        ({"first_day": date(2025, 1, 3)}, {"a", "b"}),
        ({"last_day": date(2025, 1, 2)}, {"a", "c"}),
        ({"first_day": date(2025, 1, 3), "last_day": date(2025, 1, 4)}, {"a", "b"}),
        ({"first_day": date(2025, 1, 3), "last_day": date(2025, 1, 4), "source": "tape"}, {"b"}),
    ],
)
def test_only_charges_that_the_filters_name_are_credited(filters: dict[str, Any], credited: set[str]) -> None:
    make_charge(due_amount="10", resource_id="a", charge_period_start=on(1), charge_period_end=on(31))
    tape = {"source": make_source("tape"), "charge_period_start": on(3, 5), "charge_period_end": on(4)}
    make_charge(due_amount="10", resource_id="b", **tape)
    gpu = {"service_name": "GPU", "charge_period_start": on(2), "charge_period_end": on(3)}  # the end is exclusive
    make_charge(due_amount="10", resource_id="c", **gpu)
    other = {"project": make_project("other"), "pi": make_pi("grace@example.edu")}
    make_charge(due_amount="10", resource_id="d", **other)
    make = {"source": make_source, "project": make_project, "pi": make_pi}
    named = {name: make[name](value) if name in make else value for name, value in filters.items()}

    made = make_campaign(campaign(**named))

    assert set(made.adjustments.values_list("charge__resource_id", flat=True)) == credited


def test_only_billable_current_charges_of_the_month_are_credited() -> None:
    make_charge(due_amount="10", review_status="approved")
    for status in ("held", "excluded", "deferred"):
        make_charge(due_amount="10", review_status=status)
    make_charge(due_amount="10", superseded_by=make_import(make_period(), make_source()))
    make_charge(due_amount="10", period=make_period("2025-02"))

    effect = preview_campaign(campaign())

    assert (effect.charges, effect.held, effect.total) == (1, 1, Decimal("1.00"))


def test_an_amount_per_charge_never_passes_zero() -> None:
    for due in ("10", "3", "-4"):
        make_charge(due_amount=due)

    made = make_campaign(per_charge("5"))

    assert credits_made(made) == [Decimal(-5), Decimal(-3)]


def test_an_amount_per_project_is_divided_over_its_charges() -> None:
    for due in ("10", "20", "0.01"):
        make_charge(due_amount=due)
    make_charge(due_amount="4", project=make_project("small"))

    effect = preview_campaign(per_project("10"))

    assert [(each.code, each.credited, each.is_cut_by_due) for each in effect.projects] == [
        ("engine", Decimal("10.00"), False),
        ("small", Decimal("4.00"), True),
    ]
    assert sum(credit for row, credit in effect.credits if row.project__code == "engine") == Decimal(10)


def test_the_cap_holds_to_the_cent_over_several_lines() -> None:
    for service in ("A", "B", "C"):
        make_charge(due_amount="33.335", service_name=service)

    made = make_campaign(campaign(percent=Decimal(100), cap=Decimal(100)))

    assert [due for _, _, due in credit_lines()] == [Decimal("-33.33")] * 3  # a cent more would pass what is due
    assert (made.due_amount, sum(credits_made(made))) == (Decimal("-99.99"), Decimal("-99.99"))


def test_preview_campaign_page_and_statement_name_one_sum() -> None:
    for service in ("A", "B", "C"):
        make_charge(due_amount="33.35", service_name=service)
    effect = preview_campaign(campaign())

    made = make_campaign(campaign())

    assert (effect.total, made.due_amount) == (Decimal("10.02"), Decimal("-10.02"))
    assert credited_projects(made) == [("engine", 3, Decimal("-10.02"))]
    assert sum(due for _, _, due in credit_lines()) == Decimal("-10.02")


def test_a_cap_is_divided_over_the_lines_and_used_up() -> None:
    for service, due in (("A", "500"), ("B", "100"), ("C", "100")):
        make_charge(due_amount=due, service_name=service)

    make_campaign(campaign(percent=Decimal(50), cap=Decimal(100)))

    assert [due for _, _, due in credit_lines()] == [Decimal("-71.44"), Decimal("-14.28"), Decimal("-14.28")]


def test_all_of_a_due_that_no_coin_pays_leaves_nothing_due() -> None:
    make_charge(due_amount="10.006")

    make_campaign(campaign(percent=Decimal(100)))

    lines = [line.due_amount for payer in lines_by_payer(make_period()) for line in payer.lines]
    assert lines == [Decimal("10.01"), Decimal("-10.01")]


def test_earlier_adjustments_lower_what_is_credited_those_that_wait_too(settings: Any) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(50)
    whole, most, zero = (make_charge(due_amount="100") for _ in range(3))
    payer = {"period": make_period(), "pi": make_pi(), "project": make_project(), "kind": "credit", "reason": REASON}
    adjust(**payer, charge=most, due_amount=Decimal(-60), description="Waits for approval")
    adjust(**payer, charge=zero, due_amount=Decimal(-150), description="More than was due")

    made = make_campaign(campaign())

    assert dict(made.adjustments.values_list("charge", "due_amount")) == {whole.pk: Decimal(-10), most.pk: Decimal(-4)}


def test_a_refund_takes_its_share_and_a_project_that_is_owed_money_gets_nothing() -> None:
    make_charge(due_amount="100")
    make_charge(due_amount="-40")
    make_charge(due_amount="-5", project=make_project("owed"))

    made = make_campaign(campaign())

    assert (credits_made(made), made.due_amount, made.projects) == ([Decimal(-10), Decimal(4)], Decimal(-6), 1)


def test_the_credit_of_a_split_charge_is_divided_as_the_charge_is() -> None:
    project = make_project()
    split = FundingSplit.objects.create(project=project, first_month="2025-01", remainder_account=make_fund("REST"))
    split.shares.create(funding_account=make_fund("SHARE"), percent=60)
    make_charge(due_amount="0.33", funding_account=None, fund_step="split", project=project)

    make_campaign(campaign())

    name = "OUTAGE-1 Outage of 3 January, HPC Cluster"
    assert credit_lines() == [(name, "SHARE", Decimal("-0.01")), (name, "REST", Decimal("-0.02"))]


def test_the_same_code_is_refused_in_the_same_month_only() -> None:
    make_charge(due_amount="100")
    make_charge(due_amount="100", period=make_period("2025-02"))
    make_campaign(campaign())

    for again in (preview_campaign, make_campaign):
        with pytest.raises(Refused, match="January 2025 has a credit campaign OUTAGE-1 already"):
            again(campaign(code="outage-1"))
    make_campaign(campaign(period=make_period("2025-02")))

    assert Adjustment.objects.count() == 2


def test_what_changed_since_the_preview_is_not_made_unseen() -> None:
    charge = make_charge(due_amount="100")
    seen = preview_campaign(campaign()).mark
    Charge.objects.filter(pk=charge.pk).update(due_amount=Decimal(90))

    with pytest.raises(Refused, match="The charges have changed since the preview"):
        make_campaign(campaign(), seen=seen)
    made = make_campaign(campaign(), seen=preview_campaign(campaign()).mark)

    assert credits_made(made) == [Decimal(-9)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reason": "oops"}, "at least 10 characters"),
        ({"code": "a b"}, "Write the code in letters, digits, dots and dashes"),
        ({"percent": Decimal("100.01")}, "less than or equal to 100"),
        ({"percent": Decimal(0)}, "greater than or equal to 0.01"),
        ({"percent": None, "amount": Decimal(5)}, "Give the percent, or the amount"),
        ({"percent": Decimal(5), "amount": Decimal(5)}, "Give the percent, or the amount"),
        ({"method": "per_charge", "amount": Decimal(-5)}, "Give an amount above zero"),
        ({"cap": Decimal(0)}, "Give an amount above zero"),
        ({"cap": Decimal("0.001")}, "Give an amount that USD has coins for"),
        ({"first_day": date(2025, 1, 5), "last_day": date(2025, 1, 4)}, "The last day is before the first"),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes: dict[str, Any], sentence: str) -> None:
    make_charge(due_amount="100")

    for stage in (preview_campaign, make_campaign):
        with pytest.raises(Refused, match=sentence):
            stage(campaign(**changes))


def test_a_closed_month_takes_a_campaign_and_a_finalized_one_none() -> None:
    make_charge(due_amount="100")
    make_campaign(campaign(period=make_closed(make_period())))

    make_finalized(make_period())
    for stage in (preview_campaign, make_campaign):
        with pytest.raises(PeriodLocked):
            stage(campaign(code="OUTAGE-2", period=make_period()))


def test_the_sum_counts_for_the_limit_and_one_approval_is_for_all(settings: Any, reviewer: User, finance: User) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(15)
    for number in range(2):
        make_charge(due_amount="100", project=make_project(f"p{number}"))
    made = make_campaign(campaign(), by=reviewer)
    waiting = [found.sentence for found in checklist(made.period, "finalize") if "approval" in found.sentence]
    assert (credit_lines(), waiting) == ([], ["1 credit campaign awaits approval"])

    with pytest.raises(NotPermitted):
        approve_campaign(made, by=reviewer)
    approve_campaign(made, by=finance)

    assert [due for _, _, due in credit_lines()] == [Decimal(-10), Decimal(-10)]
    entry = AuditEntry.objects.get(action="approve")
    assert (entry.by, entry.rows, entry.after) == (finance, 2, {"due": "-20.000000000"})


def test_the_author_approves_no_campaign_and_a_refused_one_never_counts(
    settings: Any, billing_admin: User, finance: User
) -> None:
    settings.ADJUSTMENT_APPROVAL_ABOVE = Decimal(5)
    make_charge(due_amount="100")
    made = make_campaign(campaign(), by=billing_admin)

    with pytest.raises(NotPermitted, match="admin entered credit campaign OUTAGE-1: somebody else has to approve it"):
        approve_campaign(made, by=billing_admin)
    refuse_campaign(made, reason="The provost did not agree", by=finance)

    made.refresh_from_db()
    assert (made.standing, credit_lines()) == ("Withdrawn", [])
    assert {credit.standing for credit in made.adjustments.all()} == {"Withdrawn"}


def test_a_campaign_is_withdrawn_as_a_whole_once(reviewer: User) -> None:
    for _ in range(2):
        make_charge(due_amount="100")
    made = make_campaign(campaign(), by=reviewer)

    withdraw_campaign(made, reason="The outage was another month's", by=reviewer)

    assert credit_lines() == []
    entry = AuditEntry.objects.get(action="withdraw")
    assert (entry.rows, entry.reason) == (2, "The outage was another month's")
    with pytest.raises(Refused, match="is withdrawn already"):
        withdraw_campaign(made, reason="The outage was another month's", by=reviewer)


@pytest.mark.parametrize("name", ["auditor", "finance", "outsider"])
def test_only_those_permitted_make_and_withdraw_campaigns(name: str, request: pytest.FixtureRequest) -> None:
    make_charge(due_amount="100")
    made, by = make_campaign(campaign()), request.getfixturevalue(name)

    for stage in (preview_campaign, make_campaign):
        with pytest.raises(NotPermitted):
            stage(campaign(code="OUTAGE-2"), by=by)
    with pytest.raises(NotPermitted):
        withdraw_campaign(made, reason=REASON, by=by)


@pytest.mark.parametrize("charges", [3, 300])
def test_any_number_of_charges_costs_the_same_queries(charges: int) -> None:
    """Beside the inserts, of which SQLite takes few rows at once."""
    first = make_charge(due_amount="10")
    copies = [{**vars(first), "id": None} for _ in range(charges - 1)]
    Charge.objects.bulk_create(Charge(**{k: v for k, v in copy.items() if k != "_state"}) for copy in copies)
    terms = campaign()

    with CaptureQueriesContext(connection) as queries:
        made = make_campaign(terms)

    inserts = [query for query in queries if query["sql"].startswith('INSERT INTO "charges_adjustment"')]
    assert len(queries) - len(inserts) == 33
    assert (made.charges, made.due_amount) == (charges, Decimal(-charges))
