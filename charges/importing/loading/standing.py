"""Which charges people decided about, and about which of them a decision, or a question, stands."""

from django.db.models import Exists, OuterRef, Q

from charges.flags import ChangedAfterApproval, LikeDecided
from charges.models import Charge
from charges.models.charge import ChargeQuerySet
from charges.review import BILLED_ELSEWHERE, UNDECIDED

Status = Charge.ReviewStatus
ASKING = (LikeDecided.name, ChangedAfterApproval.name)  # flags that ask about an earlier decision
NOT_SET_ASIDE = [*UNDECIDED, *BILLED_ELSEWHERE]
SET = ~Q(review_status__in=NOT_SET_ASIDE) | Q(fund_step=Charge.FundStep.DECISION)
ONCE_DECIDED = SET | Q(decided_at__isnull=False)  # an undone decision is one too
STANDING = SET | Q(payer_before__isnull=False)
ASKED = Q(review_status=Status.HELD, flags__has_any_keys=[*ASKING])


def or_of_parts(is_meant: Q) -> Q:
    """So is the charge, or a part of its days."""
    parts = Charge.objects.filter(is_meant, kind=Charge.Kind.PART, origin=OuterRef("pk"))
    return is_meant | Q(Q(review_status=Status.DIVIDED), Exists(parts))


def decided(charges: ChargeQuerySet) -> ChargeQuerySet:
    """Those that somebody decided about."""
    return charges.filter(ONCE_DECIDED)
