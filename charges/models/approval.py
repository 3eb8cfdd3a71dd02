"""What a second person approves before it counts, where the amount asks for that."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

PENDING = models.Q(withdrawn_at=None, needs_approval=True, approved_at=None)
IN_FORCE = models.Q(withdrawn_at=None) & ~PENDING


class ApprovableManager(models.Manager[Any]):
    def in_force(self) -> models.QuerySet[Any]:
        """What counts: not withdrawn, and approved where it must be."""
        return self.filter(IN_FORCE)

    def pending(self) -> models.QuerySet[Any]:
        """What somebody else has to approve before it counts."""
        return self.filter(PENDING)


class Approvable(models.Model):
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    needs_approval = models.BooleanField(default=False, editable=False)
    approved_at = models.DateTimeField(null=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_pending(self) -> bool:
        return self.needs_approval and self.approved_at is None and self.withdrawn_at is None

    @property
    def standing(self) -> str:
        if self.withdrawn_at:
            return "Withdrawn"
        return "Awaits approval" if self.is_pending else "In force"


def approval_constraints(name: str) -> list[models.CheckConstraint]:
    """Approved means: by somebody, and by somebody else."""
    return [
        models.CheckConstraint(
            condition=models.Q(approved_at=None, approved_by=None)
            | models.Q(approved_at__isnull=False, approved_by__isnull=False),
            name=f"{name}_approval_names_its_author",
        ),
        models.CheckConstraint(
            condition=models.Q(approved_by=None)
            | models.Q(created_by=None)
            | ~models.Q(approved_by=models.F("created_by")),
            name=f"{name}_approved_by_another",
        ),
    ]
