"""What staff set about the review of charges, and the fund codes that finance allows."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from charges.money import MoneyField
from periods.calendar import first_day


class ReviewSettings(models.Model):
    """One row; until it is made, its defaults hold."""

    unusual_times = models.PositiveSmallIntegerField(
        "unusual beyond",
        null=True,
        blank=True,
        default=3,
        help_text="Hold a service of a project that comes to more than so many times the average of the three months "
        "before. Empty: never",
    )
    unusual_amount = MoneyField(
        "unless the change is below", default=100, help_text="Smaller changes are let through, whatever the factor"
    )
    aging_days = models.PositiveSmallIntegerField(
        "aging after days",
        null=True,
        blank=True,
        default=60,
        help_text="Hold charges that are older when the month that bills them begins. Empty: never",
    )
    has_allow_list = models.BooleanField(
        "allow-list is on", default=False, help_text="Hold charges whose fund code is not in the list of allowed funds"
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = verbose_name_plural = "review settings"
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(pk=1), name="review_settings_stand_once")]

    def __str__(self) -> str:
        return "Review settings"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def in_force(cls) -> "ReviewSettings":
        return cls.objects.first() or cls()

    def oldest_day(self, month: str) -> date | None:
        """The first day that the month bills without asking; None where age does not matter."""
        return None if self.aging_days is None else first_day(month) - timedelta(days=self.aging_days)


class AllowedFund(models.Model):
    """A fund code that finance lets us charge, as it stands in their list."""

    code = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=200, blank=True)
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True, help_text="The last valid day")

    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["code"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(valid_until__gte=models.F("valid_from"))
                | models.Q(valid_from=None)
                | models.Q(valid_until=None),
                name="allowed_fund_from_before_until",
            )
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValidationError({"valid_until": "The last valid day is before the first."})
