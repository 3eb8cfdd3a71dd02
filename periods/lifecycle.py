"""Runs transitions: lock, state, permission, blockers, act, save, audit. One place for every document."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django_fsm import can_proceed, has_transition_perm

from periods import audit
from periods.blockers import Blocker, checklist
from periods.duties import CLOSING
from periods.errors import NotPermitted, Refused, WrongState
from periods.models import BillingPeriod
from periods.states import Document

D = TypeVar("D", bound=Document)

MINIMUM_REASON = 10


class Blocked(Refused):
    """The month cannot move on; `blockers` says what stands in the way."""

    def __init__(self, period: BillingPeriod, name: str, blockers: list[Blocker]) -> None:
        self.blockers = blockers
        sentences = "\n".join(f"- {blocker.sentence}" for blocker in blockers)
        super().__init__(f"{period} cannot be {name}d yet:\n{sentences}")


@transaction.atomic
def run_transition(
    document: D,
    name: str,
    *,
    by: Any,
    reason: str = "",
    override: bool = False,
    work: Callable[[D], object] | None = None,
    **details: Any,
) -> D:
    """Move a document to its next state and return it as stored.

    `by` is the user, or None for cron, which may everything. `work` is done under the same lock, once nothing
    stands in the way and before the state changes. Raises WrongState, NotPermitted, Blocked.
    """
    locked = type(document)._default_manager.select_for_update().get(pk=document.pk)
    act = getattr(locked, name)
    if not can_proceed(act):
        raise WrongState(f"{locked} is {locked.get_state_display().lower()}: it cannot be changed by “{name}”.")
    require(is_allowed=by is None or has_transition_perm(act, by), by=by, what=f"{name} {locked}")
    if isinstance(locked, BillingPeriod):
        _require_unblocked(locked, name, override=override)
    if work:
        work(locked)
    before = locked.state
    act(by=by, **details)
    locked.save()
    audit.record(
        by=by,
        action=name,
        subject=locked,
        period=locked if isinstance(locked, BillingPeriod) else getattr(locked, "period", None),
        before={"state": before},
        after={"state": locked.state},
        reason=reason,
    )
    return locked


def require(*, is_allowed: bool, by: Any, what: str) -> None:
    """Raise NotPermitted, which doors show as 403, unless allowed."""
    if not is_allowed:
        raise NotPermitted(f"{by} has no permission to {what}.") from PermissionDenied()


def require_permission(by: Any, permission: str, what: str) -> None:
    """Stages that are no transition ask here; cron (None) may everything."""
    require(is_allowed=by is None or by.has_perm(permission), by=by, what=what)


def require_reason(reason: str, minimum: int = MINIMUM_REASON) -> str:
    """The reason, stripped. A decision that changes money says why in words that an auditor can read."""
    reason = reason.strip()
    if len(reason) < minimum:
        raise Refused(f"Give a reason of at least {minimum} characters.")
    return reason


def close_period(period: BillingPeriod, *, by: Any = None) -> BillingPeriod:
    """No more imports. Review, adjustments and disputes go on; statements can be issued."""
    CLOSING.require_person(by)
    return run_transition(period, "close", by=by)


def reopen_period(period: BillingPeriod, *, reason: str, by: Any = None) -> BillingPeriod:
    """Take imports again. Issued statements stay and become stale where the charges change."""
    return run_transition(period, "reopen", by=by, reason=require_reason(reason))


def _require_unblocked(period: BillingPeriod, name: str, *, override: bool) -> None:
    blockers = [blocker for blocker in checklist(period, name) if not blocker.is_warning]
    remaining = [blocker for blocker in blockers if not (override and blocker.is_overridable)]
    if remaining:
        raise Blocked(period, name, remaining)
