"""A month moves by transitions only: state, permission, blockers and audit in one place."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from periods.errors import NotPermitted, PeriodLocked, PeriodNotOpen, Refused, WrongState
from periods.lifecycle import Blocked, close_period, reopen_period, run_transition
from periods.models import AuditEntry, BillingPeriod
from tests.make import make_closed, make_finalized, make_period, make_source

pytestmark = pytest.mark.django_db
REASON = "The provider restated January"


def test_closing_stamps_and_is_recorded(billing_admin: User) -> None:
    period = close_period(make_period(), by=billing_admin)

    period.refresh_from_db()
    assert (period.state, period.closed_by) == ("closed", billing_admin)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.by, entry.period, entry.before, entry.after) == (
        "close",
        billing_admin,
        period,
        {"state": "open"},
        {"state": "closed"},
    )


def test_reopening_needs_a_reason_and_keeps_it(billing_admin: User) -> None:
    period = make_closed(make_period())

    with pytest.raises(Refused, match="at least 10 characters"):
        reopen_period(period, reason="oops")
    reopened = reopen_period(period, reason=f"  {REASON} ", by=billing_admin)

    assert (reopened.state, reopened.closed_at) == ("open", None)
    assert AuditEntry.objects.get().reason == REASON


@pytest.mark.parametrize(
    ("state", "name"),
    [("closed", "close"), ("open", "reopen"), ("finalized", "reopen"), ("finalized", "close"), ("open", "finalize")],
)
def test_a_transition_from_another_state_is_refused(state: str, name: str) -> None:
    period = make_period()
    period = {"open": lambda p: p, "closed": make_closed, "finalized": make_finalized}[state](period)

    with pytest.raises(WrongState):
        run_transition(period, name, by=None)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", ["reviewer", "auditor", "outsider"])
def test_only_those_permitted_close(name: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(NotPermitted):
        close_period(make_period(), by=request.getfixturevalue(name))

    assert BillingPeriod.objects.get().state == "open"


def test_a_blocker_is_named_and_nothing_moves() -> None:
    make_source("aws", is_expected_monthly=True)

    with pytest.raises(Blocked) as refusal:
        close_period(make_period())

    assert len(refusal.value.blockers) == 1
    assert str(refusal.value).startswith("January 2025 cannot be closed yet:\n- aws")
    assert BillingPeriod.objects.get().state == "open"


def test_of_two_who_close_one_is_told() -> None:
    period = make_period()
    stale = BillingPeriod.objects.get(pk=period.pk)
    close_period(period)

    with pytest.raises(WrongState):
        close_period(stale)

    assert AuditEntry.objects.count() == 1


def test_state_is_changed_by_transitions_only() -> None:
    period = make_period()

    with pytest.raises(AttributeError):
        period.state = "closed"
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingPeriod.objects.update(state="half-open")
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingPeriod.objects.update(currency="")


def test_validation_and_refresh_work_beside_the_protected_state() -> None:
    period = make_period()
    period.full_clean()
    close_period(period)

    period.refresh_from_db()
    assert period.state == "closed"
    with pytest.raises(ValidationError):
        BillingPeriod(month="2025-13").full_clean()


def test_locks_let_writers_into_the_right_states_only() -> None:
    period = make_period()
    assert BillingPeriod.objects.lock_open(period.pk) == period
    make_closed(period)
    with pytest.raises(PeriodNotOpen):
        BillingPeriod.objects.lock_open(period.pk)
    assert BillingPeriod.objects.lock_unsealed(period.pk) == period
    make_finalized(period)
    with pytest.raises(PeriodLocked):
        BillingPeriod.objects.lock_unsealed(period.pk)
