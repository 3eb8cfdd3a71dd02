"""What about its charges keeps a month from being closed or finalized."""

from collections.abc import Iterator
from dataclasses import replace

from django.db.models import Exists, F, OuterRef, Q
from django.urls import NoReverseMatch, reverse

from charges.attribution.doubting import doubts
from charges.disputing.off_lines import is_beyond, off_lines
from charges.importing.loading.late import not_loaded
from charges.importing.summary import signed
from charges.models import (
    Adjustment,
    Charge,
    CreditCampaign,
    Dispute,
    FocusImport,
    ImportIssue,
    ImportScope,
    Source,
    SourceWaiver,
)
from charges.money import printed, total
from charges.sharing import Sharing
from periods.blockers import Blocker, changelist, counted, register
from periods.models import BillingPeriod


@register("close", "finalize")
def staged_imports(period: BillingPeriod) -> Iterator[Blocker]:
    """A delivery is in scope of a month only once loaded; until then its rows say which months it is about."""
    rows = [
        Exists(model.objects.filter(period=period, **{owner: OuterRef("pk")}))
        for model, owner in ((Charge, "loaded_by"), (ImportIssue, "focus_import"), (ImportScope, "focus_import"))
    ]
    staged = FocusImport.objects.filter(rows[0] | rows[1] | rows[2], state=FocusImport.State.STAGED)
    for focus_import in staged.select_related("source"):
        yield Blocker(
            f"Import {focus_import.pk} of {focus_import.source} is staged: load it or discard it.",
            changelist(FocusImport, state__exact=FocusImport.State.STAGED),
        )


@register("close")
def missing_deliveries(period: BillingPeriod) -> Iterator[Blocker]:
    delivered = ImportScope.objects.filter(
        period=period,
        focus_import__source=OuterRef("pk"),
        focus_import__state=FocusImport.State.LOADED,
        focus_import__kind=FocusImport.Kind.DELIVERY,
    )
    waived = SourceWaiver.objects.filter(period=period, source=OuterRef("pk"))
    for source in Source.objects.filter(~Exists(delivered), ~Exists(waived), is_expected_monthly=True):
        yield Blocker(
            f"{source} is expected every month and has delivered nothing: import its files, or waive it for this month.",
            _upload_page(),
        )


@register("close")
def charges_to_review(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: a closed month is still reviewed, so closing need not wait."""
    for blocker in held_charges(period):
        yield replace(blocker, is_warning=True)


@register("finalize")
def held_charges(period: BillingPeriod) -> Iterator[Blocker]:
    held = Charge.objects.filter(period=period).held().count()
    if held:
        yield Blocker(
            counted(held, "charge awaits review", "charges await review"),
            changelist(Charge, period__id__exact=period.pk, review_status__exact=Charge.ReviewStatus.HELD),
        )


@register("finalize")
def unshared_costs(period: BillingPeriod) -> Iterator[Blocker]:
    """Tax and the like that is in no statement, because nothing is due beside it that could divide it."""
    for cost in Sharing(period).unshared():
        yield Blocker(
            f"{printed(cost.amounts[2], period.currency)} of {cost.name} in account {cost.account} has nobody to be "
            "divided among: say who pays, or exclude it.",
            changelist(
                Charge,
                period__id__exact=period.pk,
                review_status__exact=Charge.ReviewStatus.SHARED,
                source__id__exact=cost.source_id,
                billing_account_id__exact=cost.billing_account_id,
                charge_category__exact=cost.charge_category,
            ),
        )


@register("close")
def costs_to_share(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: what is due beside them may still be approved."""
    for blocker in unshared_costs(period):
        yield replace(blocker, is_warning=True)


@register("close")
def accounts_in_doubt(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: finance may know better, and charges are re-attributed after the close too."""
    found = doubts(period)
    if found:
        due = printed(total([doubt.due for doubt in found]), period.currency)
        yield Blocker(
            counted(len(found), "line", "lines")
            + f", {due} due, on accounts that are expired, not valid yet, or unknown.",
            _page("admin:periods_billingperiod_accounts", period.pk),
            is_warning=True,
        )


@register("finalize")
def quarantined_rows(period: BillingPeriod) -> Iterator[Blocker]:
    undecided = ImportIssue.objects.filter(
        period=period, status=ImportIssue.Status.OPEN, focus_import__state=FocusImport.State.LOADED
    ).count()
    if undecided:
        yield Blocker(
            counted(undecided, "quarantined row is undecided", "quarantined rows are undecided"),
            changelist(ImportIssue, period__id__exact=period.pk, status__exact=ImportIssue.Status.OPEN),
        )


@register("close")
def rows_to_correct(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning, for a closed month takes no corrected file."""
    for blocker in quarantined_rows(period):
        advice = "correct the file and import it again while the month is open, or discard what is not to be billed."
        yield replace(blocker, sentence=f"{blocker.sentence}: {advice}", is_warning=True)


@register("close", "finalize")
def late_files(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: what came after the close is in no statement, and a person may want it in a later month."""
    for late in not_loaded(period.month):
        yield Blocker(
            f"A file of {late['source']} came late and is not loaded: due {signed(late['due'])} {late['currency']}, "
            f"{counted(late['rows'], 'row differs', 'rows differ')}. Load it with an open month for late differences.",
            changelist(FocusImport, state__exact=FocusImport.State.LATE),
            is_warning=True,
        )


@register("finalize")
def open_disputes(period: BillingPeriod) -> Iterator[Blocker]:
    undecided = Dispute.objects.filter(period=period, state=Dispute.State.OPEN).count()
    if undecided:
        yield Blocker(
            counted(undecided, "dispute is open", "disputes are open"),
            changelist(Dispute, period__id__exact=period.pk, state__exact=Dispute.State.OPEN),
        )


@register("finalize")
def adjustments_on_superseded_charges(period: BillingPeriod) -> Iterator[Blocker]:
    """They stay in force until a person decides: what they corrected is no longer what the month holds."""
    standing = Adjustment.objects.filter(_is_superseded(), period=period, withdrawn_at=None).count()
    if standing:
        yield Blocker(
            counted(
                standing,
                "adjustment is on a charge that a later delivery replaced: withdraw it, or enter it anew without it",
                "adjustments are on charges that a later delivery replaced: withdraw them, or enter them anew",
            ),
            changelist(Adjustment, period__id__exact=period.pk),
        )


@register("finalize")
def adjustments_on_charges_not_billed(period: BillingPeriod) -> Iterator[Blocker]:
    """A credit must not outlive its charge: what was excluded, deferred, or given to others is not credited here."""
    billed = Q(charge__review_status__in=[Charge.ReviewStatus.CLEAR, Charge.ReviewStatus.APPROVED])
    to_others = ~Q(charge__pi=F("pi")) | ~Q(charge__project=F("project"))
    of_charges = Adjustment.objects.filter(period=period, withdrawn_at=None, charge__isnull=False)
    number = of_charges.filter(~billed | to_others).exclude(_is_superseded()).count()
    if number:
        yield Blocker(
            counted(
                number,
                "adjustment is on a charge that its payer is not billed for any more: withdraw it",
                "adjustments are on charges that their payers are not billed for any more: withdraw them",
            ),
            changelist(Adjustment, period__id__exact=period.pk),
        )


@register("finalize")
def adjustments_off_lines_not_billed(period: BillingPeriod) -> Iterator[Blocker]:
    """The same for what disputes took off whole lines, whose charges were excluded or moved since."""
    number = sum(map(is_beyond, off_lines(period)))
    if number:
        yield Blocker(
            counted(
                number,
                "upheld dispute took more off a line than it bills now: withdraw its adjustment",
                "upheld disputes took more off lines than these bill now: withdraw their adjustments",
            ),
            changelist(Adjustment, period__id__exact=period.pk),
        )


@register("finalize")
def adjustments_on_other_accounts(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: an account that no longer bears the charge keeps the credit on it, which staff may want."""
    moved = Q(funding_account__isnull=False) & ~Q(charge__funding_account=F("funding_account"))
    borne = Adjustment.objects.filter(moved, period=period, withdrawn_at=None, charge__funding_account__isnull=False)
    if number := borne.count():
        yield Blocker(
            counted(
                number,
                "adjustment is on another account than its charge",
                "adjustments are on other accounts than their charges",
            ),
            changelist(Adjustment, period__id__exact=period.pk),
            is_warning=True,
        )


@register("finalize")
def adjustments_not_approved(period: BillingPeriod) -> Iterator[Blocker]:
    """They are on no statement: somebody approves them, or refuses them with a reason."""
    number = Adjustment.objects.pending().filter(period=period, campaign=None).count()
    if number:
        yield Blocker(
            counted(number, "adjustment awaits approval", "adjustments await approval"),
            changelist(Adjustment, period__id__exact=period.pk, standing="pending"),
        )
    number = CreditCampaign.objects.pending().filter(period=period).count()
    if number:
        yield Blocker(
            counted(number, "credit campaign awaits approval", "credit campaigns await approval"),
            changelist(CreditCampaign, period__id__exact=period.pk, standing="pending"),
        )


@register("close")
def adjustments_to_approve(period: BillingPeriod) -> Iterator[Blocker]:
    """A warning: a closed month still takes approvals."""
    for blocker in adjustments_not_approved(period):
        yield replace(blocker, is_warning=True)


def _upload_page() -> str:
    return _page("admin:charges_focusimport_files")


def _page(name: str, *args: int) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:  # as for a list: the sentence still helps
        return ""


def _is_superseded() -> Q:
    return Q(charge__superseded_by__state=FocusImport.State.LOADED) | Q(
        charge__loaded_by__state=FocusImport.State.REVERSED
    )
