"""Decisions: who may, what is refused, what is recorded."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from charges import review
from charges.models import Charge, ExchangeRate, FundingSplit, Project, ReviewRule
from charges.models.charge import ChargeQuerySet
from periods.errors import NotPermitted, PeriodLocked, Refused
from periods.models import AuditEntry
from tests.make import make_charge, make_finalized, make_fund, make_pi, make_project

pytestmark = pytest.mark.django_db
REASON = "Agreed with the department"


def held(**kwargs: object) -> Charge:
    return make_charge(review_status="held", flags={"pattern": "A name matches “gpu”."}, **kwargs)


def only(charge: Charge) -> ChargeQuerySet:
    return Charge.objects.filter(pk=charge.pk)


def test_approving_puts_a_held_charge_on_the_statement(reviewer: User) -> None:
    charge = held()

    assert review.approve(Charge.objects.all(), by=reviewer, reason="GPU use is agreed") == 1

    charge.refresh_from_db()
    assert (charge.review_status, charge.decided_by, charge.decision_reason) == (
        "approved",
        reviewer,
        "GPU use is agreed",
    )
    assert charge.decided_at is not None
    assert list(charge.flags) == ["pattern"]
    entry = AuditEntry.objects.get(action="approve")
    assert (entry.by, entry.subject_id, entry.period) == (reviewer, charge.pk, charge.period)
    assert (entry.before, entry.after) == ({"held": [charge.pk]}, {"approved": [charge.pk]})


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ({"pi": None}, "has no PI; say who pays"),
        ({"project": None, "pi": None}, "has no PI and no project; say who pays"),
        ({"funding_account": None, "due_amount": "5"}, "has no fund; say who pays"),
        ({"billing_currency": "EUR"}, "is in EUR: enter the exchange rate"),
    ],
)
def test_approval_is_refused_whole_while_one_charge_lacks_something(missing: dict, sentence: str) -> None:
    held(**missing)
    held()

    with pytest.raises(Refused, match=sentence):
        review.approve(Charge.objects.all())

    assert Charge.objects.held().count() == 2


def test_refused_approval_counts_all_that_lack_a_payer() -> None:
    held()
    first = held(funding_account=None, due_amount="5", resource_name="gpu-7")
    held(project=None)
    held(funding_account=None, fund_step="split", due_amount="5")
    held(funding_account=None)

    with pytest.raises(Refused) as refusal:
        review.approve(Charge.objects.all())

    assert str(refusal.value) == (
        "2 of 5 charges lack a PI, project or fund. "
        f"The first: gpu-7 (charge {first.pk}) has no fund; say who pays before they are approved."
    )


def test_refused_approval_of_one_charge_names_its_resource() -> None:
    charge = held(pi=None)

    with pytest.raises(Refused) as refusal:
        review.approve(Charge.objects.all())

    assert str(refusal.value) == f"node-1 (charge {charge.pk}) has no PI: say who pays before it is approved."


def test_approval_without_fund_is_fine_where_nothing_is_due() -> None:
    held(funding_account=None, due_amount="0")

    assert review.approve(Charge.objects.all()) == 1


def test_approval_converts_a_foreign_currency_and_keeps_the_original() -> None:
    charge = held(billing_currency="EUR", list_amount="100", due_amount="10")
    ExchangeRate.objects.create(
        source=charge.source,
        period=charge.period,
        currency="EUR",
        rate=Decimal("1.0825"),
        rate_date=date(2025, 1, 31),
        origin="ECB",
    )

    review.approve(Charge.objects.all())

    charge.refresh_from_db()
    assert (charge.list_amount, charge.due_amount) == (Decimal("108.25"), Decimal("10.825"))
    assert (charge.list_cost, charge.effective_cost) == (100, 10)


@pytest.mark.parametrize(("act", "status"), [(review.exclude, "excluded"), (review.defer, "deferred")])
def test_setting_aside_needs_a_reason_and_can_be_undone(act: object, status: str) -> None:
    flagged, clear = held(), make_charge()

    with pytest.raises(Refused, match="at least 10 characters"):
        act(Charge.objects.all(), reason="because")
    assert act(Charge.objects.all(), reason=REASON) == 2
    assert {c.review_status for c in Charge.objects.all()} == {status}
    assert Charge.objects.billable().count() == 0

    assert review.undo(Charge.objects.all()) == 2
    flagged.refresh_from_db()
    clear.refresh_from_db()
    assert (flagged.review_status, clear.review_status) == ("held", "clear")


def test_saying_who_pays_settles_the_flags_about_it() -> None:
    charge = make_charge(
        pi=None, project=None, funding_account=None, due_amount="5", review_status="held", fund_step="",
        flags={"missing_pi": "…", "missing_project": "…", "missing_fund": "…"},
    )  # fmt: skip

    review.reattribute(only(charge), pi=make_pi(), reason=REASON)
    charge.refresh_from_db()
    assert (set(charge.flags), charge.review_status) == ({"missing_project", "missing_fund"}, "held")

    review.reattribute(only(charge), project=make_project(), funding_account=make_fund("GIFT"), reason=REASON)
    charge.refresh_from_db()
    assert (charge.flags, charge.review_status) == ({}, "clear")
    assert (charge.funding_account.code, charge.fund_step) == ("GIFT", "decision")


def test_saying_who_pays_records_who_paid_before_and_after(reviewer: User) -> None:
    mine, orphan = make_charge(), make_charge(pi=None, project=None, review_status="held", flags={"missing_pi": "…"})

    review.reattribute(
        Charge.objects.all(),
        by=reviewer,
        pi=make_pi("grace@example.edu"),
        project=make_project("cobol"),
        funding_account=make_fund("ONR-1"),
        reason=REASON,
    )

    entry = AuditEntry.objects.get()
    assert (entry.by, entry.rows, entry.reason) == (reviewer, 2, REASON)
    assert entry.before == {
        "ada@example.edu / engine / NSF-1": [mine.pk],
        "no PI / no project / NSF-1": [orphan.pk],
    }
    assert entry.after == {"grace@example.edu / cobol / ONR-1": [mine.pk, orphan.pk]}


def split(project: Project, **kwargs: object) -> FundingSplit:
    return FundingSplit.objects.create(
        project=project, **{"first_month": "2025-01", "remainder_account": make_fund("REST"), **kwargs}
    )


DEFAULT = {"default_fund": "HOME"}
FALLBACK = {"default_fund": "HOME", "fallback_fund": "LATE", "end_date": date(2025, 1, 9)}
DAY = datetime(2025, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("step", "project", "split_of", "paid", "flags"),
    [
        ("split", {}, None, (None, "", "held"), ["missing_fund"]),
        ("split", DEFAULT, None, ("HOME", "project", "clear"), []),
        ("project", DEFAULT, None, ("HOME", "project", "clear"), []),
        ("fallback", DEFAULT, None, ("HOME", "project", "clear"), []),
        ("tag", DEFAULT, None, ("NSF-1", "tag", "clear"), []),
        ("tag", DEFAULT, {}, (None, "split", "clear"), []),
        ("tag", DEFAULT, {"service_name": "Storage"}, ("NSF-1", "tag", "clear"), []),
        ("tag", DEFAULT, {"first_month": "2025-02"}, ("NSF-1", "tag", "clear"), []),
        ("override", DEFAULT, {}, ("NSF-1", "override", "clear"), []),
        ("decision", DEFAULT, {}, ("NSF-1", "decision", "clear"), []),
        ("split", FALLBACK, None, ("LATE", "fallback", "clear"), []),
        ("split", {**FALLBACK, "fallback_fund": ""}, None, ("HOME", "project", "held"), ["expired"]),
    ],
)
def test_another_project_brings_its_own_funds(
    step: str, project: dict, split_of: dict | None, paid: tuple, flags: list
) -> None:
    funds = {name: make_fund(code) for name, code in project.items() if name.endswith("fund") and code}
    other = make_project("cobol", **{"end_date": project.get("end_date"), **funds})
    if split_of is not None:
        split(other, **split_of)
    fund = None if step == "split" else make_fund()
    charge = make_charge(due_amount="5", fund_step=step, funding_account=fund, charge_period_start=DAY)

    review.reattribute(only(charge), project=other, reason=REASON)

    charge.refresh_from_db()
    fund_code = charge.funding_account.code if charge.funding_account else None
    assert (fund_code, charge.fund_step, charge.review_status) == paid
    assert list(charge.flags) == flags


def test_a_fund_in_no_configured_format_holds_the_charge_under_its_new_project() -> None:
    ReviewRule.objects.create(kind="fund_format", pattern=r"^\d+$")
    charge = make_charge(due_amount="5", fund_step="split", funding_account=None)

    review.reattribute(only(charge), project=make_project("cobol", default_fund=make_fund("HOME")), reason=REASON)

    charge.refresh_from_db()
    assert (list(charge.flags), charge.review_status) == (["fund_format"], "held")


def test_an_approved_charge_is_held_again_where_its_new_project_has_no_fund() -> None:
    """In its own currency, so that the rate may be corrected before it is approved again."""
    charge = held(due_amount="5", fund_step="split", funding_account=None, billing_currency="EUR")
    rate = {"period": charge.period, "currency": "EUR", "rate": 2, "rate_date": date(2025, 1, 31), "origin": "ECB"}
    ExchangeRate.objects.create(source=charge.source, **rate)
    review.approve(only(charge))

    review.reattribute(only(charge), project=make_project("cobol"), reason=REASON)

    charge.refresh_from_db()
    assert (list(charge.flags), charge.review_status) == (["pattern", "missing_fund"], "held")
    assert (charge.exchange_rate, charge.due_amount) == (None, 5)


def test_nothing_due_needs_no_fund_under_the_new_project() -> None:
    charge = make_charge(due_amount="0", fund_step="split", funding_account=None)

    review.reattribute(only(charge), project=make_project("cobol"), reason=REASON)

    charge.refresh_from_db()
    assert (charge.flags, charge.review_status, charge.fund_step) == ({}, "clear", "")


def test_the_same_project_keeps_its_split() -> None:
    charge = make_charge(due_amount="5", fund_step="split", funding_account=None)

    review.reattribute(only(charge), project=make_project(), pi=make_pi("grace@example.edu"), reason=REASON)

    charge.refresh_from_db()
    assert (charge.fund_step, charge.review_status) == ("split", "clear")


def test_flags_about_other_things_stay_after_saying_who_pays() -> None:
    charge = held()

    review.reattribute(only(charge), funding_account=make_fund("GIFT"), reason=REASON)

    charge.refresh_from_db()
    assert (list(charge.flags), charge.review_status) == (["pattern"], "held")


def test_prepaid_charges_take_no_decision() -> None:
    make_charge(review_status="not_billable")

    assert review.exclude(Charge.objects.all(), reason=REASON) == 0
    assert review.reattribute(Charge.objects.all(), pi=make_pi(), reason=REASON) == 0


def test_superseded_charges_take_no_decision() -> None:
    charge = held()
    charge.superseded_by = charge.loaded_by
    charge.save()

    assert review.approve(Charge.objects.all()) == 0


def test_thousands_are_decided_at_once_with_one_entry_a_month() -> None:
    for _ in range(review.BATCH + 5):
        held()

    assert review.approve(Charge.objects.all()) == review.BATCH + 5

    assert AuditEntry.objects.get().rows == review.BATCH + 5
    assert Charge.objects.billable().count() == review.BATCH + 5


def test_nothing_is_decided_in_a_finalized_month() -> None:
    make_finalized(held().period)

    with pytest.raises(PeriodLocked, match="January 2025 is finalized"):
        review.approve(Charge.objects.all())


@pytest.mark.parametrize("name", ["auditor", "finance", "outsider"])
def test_only_reviewers_decide(name: str, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(name)
    held()

    for act in (review.approve, review.exclude, review.defer, review.undo):
        with pytest.raises(NotPermitted):
            act(Charge.objects.all(), by=person, reason=REASON)
    with pytest.raises(NotPermitted):
        review.reattribute(Charge.objects.all(), by=person, reason=REASON, pi=make_pi())
