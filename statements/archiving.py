"""Finalizes a month: carries deferred charges over, writes the canonical lines, and chains a seal to the last one."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import Sum
from django.utils import timezone

from charges.carrying import carry_deferred
from charges.money import ZERO, round_to_currency
from periods import audit, storage
from periods.duties import CLOSING
from periods.errors import Refused
from periods.lifecycle import require_permission, require_reason, run_transition
from periods.models import BillingPeriod
from statements import canonical, guards
from statements.announcing import announce
from statements.in_force import record_rules
from statements.models import Journal, Seal, Statement
from statements.verifying import changed_files, verify_ledger

__all__ = ["finalize_period", "verify_ledger"]


def finalize_period(period: BillingPeriod, *, by: Any = None, override: str = "") -> Seal:
    """Seal the month: from here on the database refuses any change to it.

    `override` is the reason for not waiting until the printed dispute date has passed.
    """
    if override:
        require_permission(by, "periods.override_billingperiod", "finalize before the dispute date")
        require_reason(override)

    now = timezone.now()

    def close_books(locked: BillingPeriod) -> None:
        _require_other_than_closer(locked, by)
        _require_guards()
        _require_files(locked)
        carry_deferred(locked, by=by)
        _note_no_journal(locked, by=by)
        record_rules(locked, at=now)
        _seal(locked, by=by, at=now)

    run_transition(
        period, "finalize", by=by, reason=override.strip(), override=bool(override), work=close_books, at=now
    )
    seal = Seal.objects.select_related("period", "sealed_by").get(period=period)
    announce(seal)
    return seal


def _require_other_than_closer(period: BillingPeriod, by: Any) -> None:
    CLOSING.require_other(by, than=period.closed_by_id, what=f"closed {period}")
    if CLOSING.are_separate and period.closed_by_id is None:
        raise Refused(f"{period} was closed by nobody in particular: reopen it, and let a person close it.")


def _require_guards() -> None:
    absent = guards.missing()
    if absent:
        raise Refused(f"{len(absent)} guards of finalized months are missing or altered: run manage.py migrate first.")


def _require_files(period: BillingPeriod) -> None:
    """A seal over files that are not what was kept would vouch for them."""
    findings = list(changed_files(period))
    if findings:
        raise Refused(f"{period} cannot be sealed with these files:\n" + "\n".join(f"- {found}" for found in findings))


def _note_no_journal(period: BillingPeriod, *, by: Any) -> None:
    """Where there is nothing to post, the record says so: an absent journal must not look forgotten."""
    if not Journal.objects.filter(period=period, state=Journal.State.ACKNOWLEDGED).exists():
        audit.record(by=by, action="no_journal_needed", subject=period, period=period)


def _seal(period: BillingPeriod, *, by: Any, at: datetime) -> None:
    counts: Counter[str] = Counter()

    def counted() -> Iterator[bytes]:
        for table, line in canonical.lines(period):
            counts[table] += 1
            yield line

    kept = storage.keep(counted(), folder=canonical.FOLDER, suffix=canonical.SUFFIX)
    previous = Seal.objects.order_by("number").last()
    seal = Seal(
        period=period,
        number=previous.number + 1 if previous else 1,
        algorithm=canonical.ALGORITHM,
        previous=previous,
        lines_sha256=kept.sha256,
        counts=counts,
        totals=_totals(period),
        sealed_at=at,
        sealed_by=by,
    )
    seal.head = canonical.head_of(seal)
    try:
        seal.save(force_insert=True)
    except IntegrityError as error:
        raise Refused("Another month was sealed at the same moment: finalize this one again.") from error


def _totals(period: BillingPeriod) -> dict[str, str]:
    sums = Statement.objects.current().filter(period=period).aggregate(list=Sum("list_amount"), due=Sum("due_amount"))
    listed, due = sums["list"] or ZERO, sums["due"] or ZERO
    figures = {"list": listed, "discount": due - listed, "due": due}
    return {name: str(round_to_currency(amount, period.currency)) for name, amount in figures.items()}
