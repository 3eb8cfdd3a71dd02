"""How delivered costs lead from what was invoiced to what is charged: a word for each row, in SQL."""

from django.db.models import Case, CharField, F, Q, TextChoices, Value, When

from charges.money import ZERO, MoneyField

BILLED, EFFECTIVE = F("billed_cost"), F("effective_cost")
IS_COMMITTED = ~Q(commitment_discount_id="")
IS_INVOICED = Q(billed_cost__isnull=False) & ~Q(billed_cost=0)


class CostStep(TextChoices):
    """Why the effective cost of a row is another than its billed cost."""

    SAME = "same", "Billed as charged"
    PREPAID = "prepaid", "Prepaid: billed now, charged as it is used"
    AMORTISED = "amortised", "Amortised: billed before, or by a commitment"
    UNBILLED = "unbilled", "Without a billed cost"
    OTHER = "other", "Effective and billed cost differ, unexplained"


# FOCUS §EffectiveCost; the same rules as `pricing.amount_due` and `pricing.is_prepaid`
EFFECTIVE_BASIS = Case(
    When(effective_cost__isnull=False, then=EFFECTIVE),
    When(IS_COMMITTED, charge_category="Purchase", billed_cost__isnull=False, then=Value(ZERO, MoneyField())),
    default=BILLED,
    output_field=MoneyField(),
)
_IS_SAME = Q(effective_cost__isnull=True) | Q(effective_cost=BILLED)
_IS_PREPAID = Q(effective_cost=0) | Q(IS_COMMITTED, effective_cost__isnull=True)


def cost_step(is_prepaid: Q, is_amortised: Q) -> Case:
    """The first that says."""
    return Case(
        When(is_prepaid & IS_INVOICED, then=Value(CostStep.PREPAID.value)),
        When(billed_cost__isnull=True, then=Value(CostStep.UNBILLED.value)),
        When(_IS_SAME, then=Value(CostStep.SAME.value)),
        When(is_amortised | Q(billed_cost=0), then=Value(CostStep.AMORTISED.value)),
        default=Value(CostStep.OTHER.value),
        output_field=CharField(),
    )


OF_CHARGE = cost_step(Q(_IS_PREPAID, charge_category="Purchase"), IS_COMMITTED)
# Of a quarantined row, category and commitment are not read yet.
OF_ISSUE = cost_step(Q(effective_cost=0), Q(billed_cost=0))
