"""What is asked about a correction: what was wrong, what is right, and which month takes it."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from charges.admin.decisions import payer_field
from charges.correcting.credited import Credits
from charges.correcting.grounds import PROMPT, Grounds, is_old
from charges.correcting.rebilling import Right, months_after
from charges.models import Charge, Correction, FundingAccount, PrincipalInvestigator, Project
from charges.models.correction import SHORTEST
from charges.money import AmountField
from periods import calendar
from periods.transition_admin import text_field

GROUNDS = ("cause", "explanation", "certifier", "justification")
RIGHT = ("pi", "project", "funding_account", "list_amount", "due_amount", "is_fund_certified",
    "has_line_share", "is_granted_again",
)  # fmt: skip
BILL, NOBODY = "bill", "nobody"


def words_field(label: str, help_text: str) -> forms.CharField:
    length = f"At least {SHORTEST} characters of your own."
    return forms.CharField(
        label=label,
        min_length=SHORTEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=f"{help_text} {length}",
    )


def amount_field(label: str) -> AmountField:
    return AmountField(
        label=label, required=False, widget=UnfoldAdminDecimalFieldWidget(), help_text="Empty: as it was billed."
    )


def choice_field(label: str, choices: list[tuple[str, str]]) -> forms.TypedChoiceField:
    """The stage refuses where an answer is needed and none is given."""
    return forms.TypedChoiceField(
        label=label,
        required=False,
        choices=[("", "Choose"), *choices],
        coerce=lambda word: word == "yes",
        empty_value=None,
        widget=UnfoldAdminSelectWidget(),
    )


class CorrectionForm(forms.Form):
    cause = forms.ChoiceField(
        label="What was wrong",
        choices=[("", "Choose the cause"), *Correction.Cause.choices],
        widget=UnfoldAdminSelectWidget(),
    )
    explanation = words_field("How the error came about", "Auditors read this.")
    justification = words_field(
        "Why it is corrected only now", f"Sponsors ask for this more than {PROMPT} days after the charge."
    )
    certifier = text_field("Certified by", "Who answers for the correction.")
    outcome = forms.ChoiceField(
        label="What is right",
        choices=[(BILL, "Bill it again, as given below"), (NOBODY, "Bill it to nobody: the reversal alone counts")],
        widget=UnfoldAdminSelectWidget(),
    )
    pi = payer_field("pi", "PI", PrincipalInvestigator)
    project = payer_field("project", "Project", Project)
    funding_account = payer_field("funding_account", "Funding account", FundingAccount)
    list_amount = amount_field("List price")
    due_amount = amount_field("Amount due")
    is_fund_certified = forms.BooleanField(
        label="The fund bears the charge though it was not valid on that date; this is certified",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )
    has_line_share = choice_field(
        "An upheld dispute took money off the line of the charge",
        [
            ("yes", "This charge has its share of it, by amount"),
            ("no", "It was about other charges: it stays with them"),
        ],
    )
    is_granted_again = choice_field(
        "What was credited on the charge is taken back with it",
        [("yes", "Grant it again, to the rebill"), ("no", "Do not grant it again")],
    )
    month = forms.ChoiceField(
        label="Month that takes the correction",
        widget=UnfoldAdminSelectWidget(),
        help_text="Open months after the charge's own.",
    )

    @property
    def answers(self) -> dict[str, Any]:
        """As the stages take them."""
        given = self.cleaned_data
        right: dict[str, Any] = {name: given.get(name) for name in RIGHT}
        return {
            "grounds": Grounds(**{name: given.get(name, "") for name in GROUNDS}),
            "right": Right(**right)
            if given["outcome"] == BILL
            else Right(is_billed=False, has_line_share=right["has_line_share"]),
            "month": given["month"],
        }


def form_for(charges: list[Charge], data: Any, *, certifier: str) -> CorrectionForm:
    """Amounts are asked of one charge alone, and a justification only where one is due."""
    form = CorrectionForm(data, initial={"certifier": certifier})
    for name, label in (("pi", "PI"), ("project", "Project"), ("funding_account", "Funding account")):
        form.fields[name].label = label
        form.fields[name].help_text = "Empty: as it was billed."
    form.fields["funding_account"].help_text = "Empty: as it was, or what another project uses on the charge date."
    form.fields["month"].choices = [  # type: ignore[attr-defined]
        (month, calendar.in_words(month)) for month in months_after(charges)
    ]
    if not any(map(is_old, charges)):
        del form.fields["justification"]
    given = Credits(charges)
    if not given.of_line:
        del form.fields["has_line_share"]
    if not (given.own or given.of_line):
        del form.fields["is_granted_again"]
    if len(charges) > 1:
        del form.fields["list_amount"], form.fields["due_amount"]
    return form
