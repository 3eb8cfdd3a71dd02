"""What a correction would load, as a person looks at it before it counts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django import forms
from django.utils.html import format_html

from charges.admin.display import table
from charges.correcting.rebilling import Plan
from charges.correcting.righting import Pair
from charges.models import Adjustment, Charge, Correction
from charges.money import printed, round_to_currency
from periods.blockers import Blocker
from periods.calendar import in_words
from statements.admin.correction_form import CorrectionForm
from statements.models import Statement

HEADINGS = ["List price", "Amount due"]


def statement_numbers(charges: Iterable[Charge]) -> dict[int, str]:
    """The statement that each charge was billed on: revisions share its number."""
    charges = list(charges)
    months = {charge.period_id for charge in charges}
    given = Statement.objects.filter(period__in=months, pi__in={charge.pi_id for charge in charges})
    numbers = {
        (period, pi, project): number
        for period, pi, project, number in given.values_list("period", "pi", "project", "number")
    }
    found = ((charge.pk, numbers.get((charge.period_id, charge.pi_id, charge.project_id))) for charge in charges)  # type: ignore[arg-type]
    return {pk: f"S-{number:06d}" for pk, number in found if number}


def was_billed(charges: list[Charge], numbers: dict[int, str]) -> str:
    """The charges that are to be corrected, a row each."""
    rows = [_row(_titled(charge, numbers), charge, charge.period.currency) for charge in charges]
    return table(["As it was billed", *HEADINGS], rows, amounts_from=1)


def hide(form: CorrectionForm) -> CorrectionForm:
    """The answers go along unseen while the preview is looked at."""
    for field in form.fields.values():
        field.widget = forms.HiddenInput()
    return form


@dataclass(frozen=True, slots=True)
class Shown:
    """One charge of the preview."""

    title: str
    rows: str
    warnings: list[Blocker]


class Preview:
    def __init__(self, planned: Plan) -> None:
        self.planned = planned
        self.digest = planned.digest
        self.numbers = statement_numbers(pair.original for pair in planned.pairs)

    @property
    def facts(self) -> list[tuple[str, str]]:
        grounds = self.planned.grounds
        said = [
            ("What was wrong", str(Correction.Cause(grounds.cause).label)),
            ("How it came about", grounds.explanation),
            ("Why only now", grounds.justification),
            ("Certified by", grounds.certifier),
        ]
        return [(heading, text) for heading, text in said if text]

    @property
    def pairs(self) -> Iterator[Shown]:
        for pair in self.planned.pairs:
            warnings = [Blocker(sentence, is_warning=True) for sentence in pair.warnings]
            yield Shown(_titled(pair.original, self.numbers), self._rows(pair), warnings)

    def _rows(self, pair: Pair) -> str:
        currency = self.planned.currency
        rebill = _row("Rebill", pair.rebill, currency, pair)
        if pair.rebill.review_status == Charge.ReviewStatus.EXCLUDED:
            rebill = [_cell("Rebill", "Nobody pays"), "—", "—"]
        rows = [_row("Reversal", pair.reversal, currency), rebill]
        rows += [_row(one.description, one, currency) for one in pair.adjustments]
        return table([f"Into {in_words(self.planned.month)}", *HEADINGS], rows, amounts_from=1)


def _titled(charge: Charge, numbers: dict[int, str]) -> str:
    name = charge.resource_name or charge.resource_id or charge.charge_description or str(charge)
    number = numbers.get(charge.pk)
    return f"{name}, {charge.period}" + (f", statement {number}" if number else "")


def _row(title: str, charge: Charge | Adjustment, currency: str, pair: Pair | None = None) -> list[str]:
    fund = str(charge.funding_account or "—")
    if isinstance(charge, Charge) and charge.fund_step == Charge.FundStep.SPLIT:
        parts = pair.parts if pair else []
        fund = ", ".join(f"{percent.normalize():f} % {part}" for part, percent in parts) or "split"
    payer = f"{charge.pi}, {charge.project}, {fund}"
    return [_cell(title, payer), _coins(charge.list_amount, currency), _coins(charge.due_amount, currency)]


def _cell(title: str, payer: str) -> str:
    return format_html("<b>{}</b><br>{}", title, payer)


def _coins(amount: Decimal, currency: str) -> str:
    return printed(round_to_currency(amount, currency) or amount, currency)
