"""The forms behind a reviewer's decisions, on one charge or on thousands."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Max, Min, QuerySet
from django.urls import reverse
from django.utils.html import format_html

from charges import review
from charges.models import Charge, FundingAccount, PrincipalInvestigator, Project
from charges.models.payers import WHO_PAYS
from periods.models import BillingPeriod
from periods.transition_admin import ReasonForm, Step, reason_field

Status = Charge.ReviewStatus
COMMON = {  # what a rule goes by, and where a charge says it
    "source": "source",
    "sub_account_id": "sub_account_id",
    "resource_prefix": "resource_id",
    "service_name": "service_name",
}
DECIDABLE = (Status.CLEAR, Status.HELD, Status.SHARED, Status.APPROVED, Status.EXCLUDED, Status.DEFERRED)


class OptionalReasonForm(forms.Form):
    reason = reason_field(required=False)


def payer_field(name: str, label: str, model: Any) -> forms.ModelChoiceField:
    """Searches as one types: a university has thousands of them."""
    widget = AutocompleteSelect(
        Charge._meta.get_field(name),
        admin.site,
        attrs={"class": "unfold-admin-autocomplete"},
    )
    return forms.ModelChoiceField(model.objects.all(), label=label, required=False, widget=widget)


class ReattributeForm(forms.Form):
    pi = payer_field("pi", "PI", PrincipalInvestigator)
    project = payer_field("project", "Project", Project)
    funding_account = payer_field("funding_account", "Funding account", FundingAccount)
    reason = reason_field()

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if not any(answers.get(name) for name in WHO_PAYS):
            raise forms.ValidationError("Name a PI, a project or a funding account; what is left empty stays as it is.")
        return answers


def on_one(stage: Callable[..., int], done: str) -> Callable[..., str]:
    def run(charge: Charge, **answers: Any) -> str:
        return count(stage(Charge.objects.filter(pk=charge.pk), **answers), done)

    return run


def _reattribute(charge: Charge, **answers: Any) -> str:
    """With the offer of a rule, so that next month needs no hand."""
    offer = rule_offer(Charge.objects.filter(pk=charge.pk), answers["by"], answers)
    return format_html("{}{}", on_one(*STAGES["reattribute"])(charge, **answers), offer)


def rule_offer(charges: QuerySet[Charge], by: Any, answers: dict[str, Any]) -> str:
    """After a space, a link to a rule of what all the charges have in common; empty where that is nothing that a rule goes by."""
    first = charges.aggregate(**{name: Min(field) for name, field in COMMON.items()})
    last = charges.aggregate(**{name: Max(field) for name, field in COMMON.items()})
    match = {name: value for name, value in first.items() if value and value == last[name]}
    if "resource_prefix" in match:
        match.pop("service_name", None)
    if not (match.keys() - {"source"} and by.has_perm("charges.add_attributionrule")):
        return ""
    payer = {name: answers[name].pk for name in WHO_PAYS if answers.get(name)}
    url = f"{reverse('admin:charges_attributionrule_add')}?{urlencode({**match, **payer})}"
    return format_html(' <a href="{}" class="underline">Make it a rule for next month</a>', url)


def count(changed: int, done: str) -> str:
    return f"{changed} {'charge' if changed == 1 else 'charges'} {done}."


def is_in(*statuses: str) -> Callable[[Charge], bool]:
    def is_offered(charge: Charge) -> bool:
        is_live = not charge.is_superseded and charge.period.state != BillingPeriod.State.FINALIZED
        return is_live and charge.review_status in statuses

    return is_offered


def _may_be_undone(charge: Charge) -> bool:
    is_moved = charge.payer_before is not None and is_in(*review.UNDECIDED)(charge)
    return is_moved or is_in(*review.DECIDED)(charge)


STAGES: dict[str, tuple[Callable[..., int], str]] = {
    "approve": (review.approve, "approved"),
    "reattribute": (review.reattribute, "given to another payer"),
    "exclude": (review.exclude, "excluded"),
    "defer": (review.defer, "deferred"),
    "undo": (review.undo, "put back to undecided"),
}

STEPS: dict[str, Step] = {
    "approve": Step(
        label="Approve",
        run=on_one(*STAGES["approve"]),
        permission="charges.review_charge",
        explanation="Approved charges go onto the statement of their PI and project as they are.",
        form=OptionalReasonForm,
        icon="check",
        is_primary=True,
        is_offered=is_in(Status.HELD),
    ),
    "reattribute": Step(
        label="Say who pays",
        run=_reattribute,
        permission="charges.reattribute_charge",
        explanation="What you name is set; what you leave empty stays. Flags that this answers fall away.",
        form=ReattributeForm,
        icon="person_search",
        is_offered=is_in(*DECIDABLE),
    ),
    "exclude": Step(
        label="Exclude",
        run=on_one(*STAGES["exclude"]),
        permission="charges.review_charge",
        explanation="Excluded charges are billed to nobody. This can be undone until the month is finalized.",
        form=ReasonForm,
        icon="block",
        is_offered=is_in(*(status for status in DECIDABLE if status != Status.EXCLUDED)),
    ),
    "defer": Step(
        label="Defer",
        run=on_one(*STAGES["defer"]),
        permission="charges.review_charge",
        explanation="Deferred charges stay unbilled in this month; finalizing carries them into the next open one.",
        form=ReasonForm,
        icon="schedule",
        is_offered=is_in(*(status for status in DECIDABLE if status != Status.DEFERRED)),
    ),
    "undo": Step(
        label="Undo the decision",
        run=on_one(*STAGES["undo"]),
        permission="charges.review_charge",
        explanation=(
            "The charges are undecided again: held where they have flags, clear where they have none. Undecided ones go "
            "back to who paid before a person said who does."
        ),
        form=OptionalReasonForm,
        icon="undo",
        is_offered=_may_be_undone,
    ),
}
