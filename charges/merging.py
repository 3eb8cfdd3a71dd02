"""One PI, project or fund that goes by two names: staff merge them, and whatever carries the old name follows.

Tags create rows, and tags contain typos and addresses that have changed. Months that are not finalized move; what is
finalized keeps its words; a later delivery that names the old row means the one that it was merged into.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, models, transaction

from charges.attribution.funding import ProjectFunds
from charges.correcting.reversing import reversals_of
from charges.dividing import READ_WITH, SET_ASIDE, divide_decided
from charges.flags import PAYER_FLAGS, Reviewer
from charges.models import (
    Charge,
    FundingAccount,
    FundingShare,
    FundingSplit,
    PIAddress,
    PrincipalInvestigator,
    Project,
    ProjectDelegate,
)
from charges.models.payers import Mergeable
from periods import audit
from periods.calendar import institution_day
from periods.errors import Refused
from periods.lifecycle import require_permission, require_reason
from periods.models import BillingPeriod

BATCH = 500
Payer = TypeVar("Payer", PrincipalInvestigator, Project, FundingAccount)


@transaction.atomic
def merge(old: Payer, into: Payer, *, reason: str, by: Any = None) -> dict[str, int]:
    """Let `into` stand for `old` from now on; how many rows of each kind moved. Raises Refused."""
    name = old._meta.model_name
    require_permission(by, f"charges.merge_{name}", f"merge {old._meta.verbose_name_plural}")
    old, into = _locked(old, into)
    _require_no_split(old)
    _keep_way_in(old, into)
    moved: dict[str, int] = {}
    for model, field in _references(type(old)):
        if rows := _move(model, field, old, into):
            kind = str(model._meta.verbose_name)
            moved[kind] = moved.get(kind, 0) + rows
    old.merged_into = into
    old.save()
    after = {"into": told(into), "moved": moved}
    audit.record(by=by, action="merge", subject=old, after=after, reason=require_reason(reason))
    return moved


def told(row: Mergeable) -> str:
    """By what tells it from another of the same name."""
    return str(getattr(row, "email", None) or getattr(row, "code", row))


def _locked(old: Payer, into: Payer) -> tuple[Payer, Payer]:
    rows = type(old)._default_manager.select_for_update().order_by("pk").in_bulk([old.pk, into.pk])
    old, into = rows[old.pk], rows[into.pk]
    if old == into:
        raise Refused(f"{told(old)} cannot be merged into itself.")
    for row in (old, into):
        if row.merged_into:
            raise Refused(f"{told(row)} is merged into {told(row.merged_into)} already.")
    type(old)._default_manager.filter(merged_into=old).update(merged_into=into)  # no chains
    return old, into


def _require_no_split(old: Mergeable) -> None:
    """A split that is in force would divide the other project's months too. Ended ones stay, for finalized months."""
    if not isinstance(old, Project):
        return
    unsealed = BillingPeriod.objects.exclude(state=BillingPeriod.State.FINALIZED)
    first = unsealed.order_by("month").values_list("month", flat=True).first() or ""
    for split in old.splits.all():
        if not split.last_month or split.last_month >= first > "":
            raise Refused(f"{told(old)} has a funding split that is in force: end it before the months that move.")


def _keep_way_in(old: Payer, into: Payer) -> None:
    """The address of a merged PI signs in and is tagged as before; a delegate of both projects is one once."""
    if isinstance(old, PrincipalInvestigator):
        PIAddress.objects.get_or_create(email=old.email, defaults={"pi": into})
    if isinstance(old, Project):
        ProjectDelegate.objects.filter(
            project=old, email__in=ProjectDelegate.objects.filter(project=into).values("email")
        ).delete()


def _references(model: type[models.Model]) -> Iterator[tuple[type[models.Model], str]]:
    """Every column of ours that names such a row; history keeps its words."""
    for other in apps.get_app_config("charges").get_models():
        for field in other._meta.concrete_fields:
            is_kept = field.name == "merged_into" or (other is FundingSplit and model is Project)
            if field.related_model is model and not (is_kept or hasattr(other, "history_object")):
                yield other, field.name


def _move(model: type[models.Model], field: str, old: Payer, into: Payer) -> int:
    rows = model._default_manager.filter(**{field: old})
    has_period = any(f.name == "period" for f in model._meta.concrete_fields)
    try:
        with transaction.atomic():
            return _move_months(rows, field, into) if has_period else _move_each(rows, field, into)
    except IntegrityError as error:
        raise Refused(
            f"{told(old)} and {told(into)} both have a {model._meta.verbose_name} for the same: end or change one of them first."
        ) from error


def _move_each(rows: models.QuerySet[Any], field: str, into: Payer) -> int:
    """Reference data: few rows, each with its history. What finalized months were divided by stays as it is."""
    found = [row for row in rows if not _divides_sealed_months(row)]
    for row in found:
        setattr(row, field, into)
        row.save()
    return len(found)


def _divides_sealed_months(row: models.Model) -> bool:
    """Raises Refused where the split goes on: it would have to say one thing for then and another for now."""
    split = row.split if isinstance(row, FundingShare) else row
    if not isinstance(split, FundingSplit) or not (sealed := split.last_sealed_month()):
        return False
    if split.last_month != sealed and (not split.last_month or split.last_month > sealed):
        raise Refused(f"The {split} divided finalized months: end it, and begin another with the fund that stays.")
    return True


def _move_months(rows: models.QuerySet[Any], field: str, into: Payer) -> int:
    unsealed = rows.exclude(period__state=BillingPeriod.State.FINALIZED)
    for pk in unsealed.order_by("period").values_list("period", flat=True).distinct():
        BillingPeriod.objects.lock_unsealed(pk)
    number = unsealed.count()
    if rows.model is Charge and isinstance(into, FundingAccount):
        _judge_fund(unsealed, into)
    if rows.model is Charge and isinstance(into, Project) and into.end_date:
        _judge_end(unsealed, into)
    ending = _ending(unsealed, into) if rows.model is Charge else []
    unsealed.update(**{field: into})
    for start in range(0, len(ending), BATCH):
        divide_decided(Charge.objects.filter(pk__in=ending[start : start + BATCH]).select_related(*READ_WITH))
    return number


def _ending(charges: models.QuerySet[Charge], into: Payer) -> list[int]:
    """Those about the days around its last one, by key: of these, `divide_decided` finds what runs past it."""
    last = getattr(into, "end_date", None) or getattr(into, "valid_until", None)
    if last is None:
        return []
    day = datetime.combine(last, time.min, tzinfo=UTC)
    around = {"charge_period_start__lt": day + timedelta(days=2), "charge_period_end__gt": day - timedelta(days=1)}
    return list(_undecided(charges, models.Q()).filter(**around).order_by("pk").values_list("pk", flat=True))


def _judge_fund(charges: models.QuerySet[Charge], fund: FundingAccount) -> None:
    """A fund's typo was a reason to hold a charge; the fund that it stands for is judged in its place."""
    undecided = _undecided(charges, models.Q(flags__has_any_keys=PAYER_FLAGS))
    reviewers: dict[int, Reviewer] = {}
    for charge in undecided.select_related("source").iterator(chunk_size=5000):
        if charge.source_id not in reviewers:
            reviewers[charge.source_id] = Reviewer(charge.source)
        day = charge.charge_period_start and institution_day(charge.charge_period_start)
        flags = reviewers[charge.source_id].fund_flags(
            fund.code, day, fund.limit_on(day) if day else None, has_due=bool(charge.due_amount)
        )
        judged = {flag: why for flag, why in charge.flags.items() if flag not in PAYER_FLAGS} | flags
        if judged != charge.flags:
            charge.flags, charge.funding_account = judged, fund
            _put_by_flags(charge)
            charge.save(update_fields=["flags", "review_status", "funding_account"])


def _judge_end(charges: models.QuerySet[Charge], project: Project) -> None:
    """What comes after the end of the project that stands for theirs is decided as an import decides it."""
    funds = ProjectFunds(project)
    borne = _undecided(charges, models.Q()).exclude(due_amount=0)
    for charge in borne.select_related("source", "period", "funding_account").iterator(chunk_size=5000):
        if funds.is_after_end(charge):
            funds.apply(charge)
            _put_by_flags(charge)
            charge.save(update_fields=["flags", "review_status", "funding_account", "fund_step"])


def _put_by_flags(charge: Charge) -> None:
    """To set a charge aside is no answer to who pays: it stays so, and its flags wait for it to be billed."""
    if charge.review_status not in SET_ASIDE:
        charge.review_status = Charge.ReviewStatus.HELD if charge.flags else Charge.ReviewStatus.CLEAR


def _undecided(charges: models.QuerySet[Charge], held: models.Q) -> models.QuerySet[Charge]:
    """With those set aside. What was reversed stands still, and its reversal with it: it copies who was billed."""
    status, reversal = Charge.ReviewStatus, Charge.Kind.REVERSAL
    undecided = models.Q(review_status__in=[status.CLEAR, *SET_ASIDE]) | (models.Q(review_status=status.HELD) & held)
    of_rows = charges.filter(undecided).exclude(kind=reversal).exclude(origin__kind=reversal)  # nor a deferred one
    return of_rows.exclude(pk__in=reversals_of(charges.order_by()).values("origin"))
