"""Whatever people decide about the rows of a closed month, and however its file comes again: no money is made or lost.

Over all months, each PI and fund is billed what the last file says of its rows, as decided, with what was credited.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from charges.adjusting import adjust
from charges.adjusting.crediting import make_campaign
from charges.carrying import carry_deferred
from charges.correcting.rebilling import correct
from charges.correcting.reversing import reversals_of
from charges.correcting.righting import Right
from charges.disputing.objecting import open_dispute, uphold
from charges.importing import import_files, reverse
from charges.models import Adjustment, Charge, CreditCampaign, FundingAccount, PrincipalInvestigator, Source
from charges.review import approve, defer, exclude, reattribute
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.lines import lines_by_payer
from tests.charges.focus_files import focus_row, write_focus
from tests.charges.rebills import GROUNDS
from tests.make import make_closed, make_finalized, make_fund, make_period, make_pi, make_project

pytestmark = pytest.mark.django_db
WHY = "Because the sequence says so"
LEFT_OUT = "so that it is billed already"
MONTHS = [f"2025-{month:02}" for month in range(2, 11)]
ADA, BOB = ("ada", "NSF-1"), ("bob", "NSF-2")
ROWS = ("a", "b", "tax")
numbers = count(1)
Books = dict[tuple[str, str], Decimal]


@dataclass(frozen=True, slots=True)
class Row:
    """What should be billed for it, by the plainest rule."""

    due: Decimal
    payer: tuple[str, str] = ADA
    is_billed: bool = True
    is_stuck: bool = False  # a reversal was left out: it stays billed, whatever files say
    credited: Decimal = Decimal(0)


def row(month: str, resource: str, due: Any, pi: str = "ada", fund: str = "NSF-1") -> dict[str, Any]:
    tags = {"pi_email": f"{pi}@example.edu", "project_id": pi, "fund_org": fund}
    costs = dict.fromkeys(("ListCost", "ContractedCost", "BilledCost", "EffectiveCost"), str(due))
    days = {"BillingPeriodStart": f"{month}-01", "ChargePeriodStart": f"{month}-01"}
    is_tax = resource == "tax"
    return focus_row(
        "{}" if is_tax else tags, ResourceId=resource, ChargeCategory="Tax" if is_tax else "Usage", **costs, **days
    )


@dataclass
class World:
    """January is closed; the months after it are open, and are sealed one by one."""

    folder: Path
    rows: dict[str, Row] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    others: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = Source.objects.create(name=f"source {next(numbers)}", shared_costs=Source.SharedCosts.PRO_RATA)
        self._deliver({"a": 20, "b": 12, "tax": 4})
        self.others = {"of ada": Row(Decimal(30 * len(MONTHS))), "of bob": Row(Decimal(10 * len(MONTHS)), BOB)}
        for month in MONTHS:  # what costs without a payer are divided by
            self._import(row(month, "of ada", 30), row(month, "of bob", 10, "bob", "NSF-2"))
        make_closed(make_period("2025-01"))

    # What happens

    def file(self, dues: dict[str, int]) -> None:
        self._deliver(dues, late_to=self._open())
        self._settle()

    def file_with_reversals_deferred(self, dues: dict[str, int]) -> None:
        self._deliver(dues, late_to=self._open())
        if (reversals := Charge.objects.held().filter(kind="reversal")).exists():
            defer(reversals, reason=WHY)
        self._settle()

    def file_with_reversals_left_out(self, dues: dict[str, int]) -> None:
        before = self.rows
        self._deliver(dues, late_to=self._open())
        reversals = Charge.objects.held().filter(kind="reversal")
        lost = set(reversals.values_list("resource_id", flat=True)) - {*dues}
        exclude(reversals.filter(resource_id__in=lost), reason=WHY)
        self.rows |= {name: replace(before[name], is_stuck=True) for name in lost}
        self._settle()

    def file_and_back(self, dues: dict[str, int], *, is_approved: bool = True) -> None:
        before = self.rows
        delivery = self._deliver(dues, late_to=self._open())
        if is_approved:
            self._settle()
        if delivery.is_repeated:
            return
        self.rows = before
        reverse(delivery.focus_import, reason=WHY)

    def defer(self, name: str) -> None:
        if self._is_free(name):
            defer(self._charge(name), reason=WHY)
            self.rows[name] = replace(self.rows[name], is_billed=True)  # it comes again, excluded before or not

    def exclude(self, name: str) -> None:
        if self._is_free(name):
            exclude(self._charge(name), reason=WHY)
            self.rows[name] = replace(self.rows[name], is_billed=False)

    def to_bob(self, name: str) -> None:
        if self._is_free(name):
            reattribute(self._charge(name), reason=WHY, **_bob())
            self.rows[name] = replace(self.rows[name], payer=BOB)

    def credit(self, name: str) -> None:
        about = self._charge(name).get()
        if self._is_billed(about):
            adjust(
                period=about.period, kind="credit", pi=about.pi, project=about.project, charge=about,
                description="Outage", reason=WHY, due_amount=Decimal(-1),
            )  # fmt: skip
            self._credited(name, Decimal(-1))

    def dispute(self, name: str) -> None:
        about = self._charge(name).get()
        if self._is_billed(about):
            payer = {"period": about.period, "pi": about.pi, "project": about.project}
            dispute = open_dispute(**payer, charge=about, text=WHY)
            uphold(dispute, ground="price", text=WHY, amount=Decimal(2))
            self._credited(name, Decimal(-2))

    def campaign(self) -> None:
        period = BillingPeriod.objects.exclude(state="finalized").order_by("month").first()
        terms = {"code": f"OUT-{next(numbers)}", "description": "Outage", "reason": WHY}
        made = make_campaign(
            CreditCampaign(period=period, source=self.source, method="per_charge", amount=Decimal(3), **terms)
        )
        for adjustment in Adjustment.objects.filter(campaign=made).select_related("charge"):
            name = adjustment.charge.resource_id
            if not reversals_of([adjustment.charge_id]).exists() or self._is_stuck(name):  # else it is taken back
                self._credited(name, adjustment.due_amount)

    def correct(self, name: str, *, is_granted_again: bool = True) -> None:
        if name == "tax":
            return
        grounds = replace(GROUNDS, justification=GROUNDS.explanation)
        correct(
            [self._charge(name).get().pk], grounds=grounds, right=Right(is_granted_again=is_granted_again, **_bob())
        )
        kept = self.rows[name].credited if is_granted_again else Decimal(0)
        self.rows[name] = replace(self.rows[name], payer=BOB, is_billed=True, credited=kept)

    def close(self) -> None:
        make_closed(make_period(self._open()))

    def seal(self) -> None:
        """The earliest month, as finalizing does it."""
        period = BillingPeriod.objects.exclude(state="finalized").order_by("month").first()
        carry_deferred(make_closed(period))
        make_finalized(period)
        self._settle()

    # What comes of it

    def assert_conserved(self) -> None:
        while Charge.objects.current().filter(review_status="deferred").exclude(period__state="finalized").exists():
            self.seal()
        self._settle()
        billed, expected = self._billed(), self._expected()
        assert sum(billed.values()) == sum(expected.values()), self.steps
        if "tax" not in self.rows:  # else its shares are of the months that billed it
            assert billed == expected, self.steps

    def _expected(self) -> Books:
        found: Books = defaultdict(Decimal)
        for name, row in (self.rows | self.others).items():
            if row.is_billed:
                found[row.payer] += row.due + row.credited
            assert row.is_billed or not row.credited, name
        return {key: due for key, due in found.items() if due}

    def _billed(self) -> Books:
        pis = dict(PrincipalInvestigator.objects.values_list("pk", "email"))
        funds = dict(FundingAccount.objects.values_list("pk", "code"))
        found: Books = defaultdict(Decimal)
        for period in BillingPeriod.objects.all():
            for payer in lines_by_payer(period):
                for line in payer.lines:
                    key = pis[payer.payer.pi].partition("@")[0], funds[line.funding_account_id or 0]
                    found[key] += line.due_amount
        return {key: due for key, due in found.items() if due}

    # Parts of it

    def _deliver(self, dues: dict[str, int], **options: Any) -> Any:
        delivery = self._import(*(row("2025-01", name, due) for name, due in {"base": 50, **dues}.items()), **options)
        if not delivery.is_repeated:
            self.rows = self._after({"base": 50, **dues})
        return delivery

    def _after(self, dues: dict[str, int]) -> dict[str, Row]:
        stuck = {name: row for name, row in self.rows.items() if row.is_stuck}
        kept = {name: self._changed(name, Decimal(due)) for name, due in dues.items() if name not in stuck}
        return {**kept, **stuck}

    def _changed(self, name: str, due: Decimal) -> Row:
        """A changed row is billed again to whom it was given to; what was credited on it is granted anew by people."""
        old = self.rows.get(name)
        if old is None or old.due == due:
            return old or Row(due)
        return Row(due, payer=old.payer)

    def _import(self, *rows: dict[str, Any], **options: Any) -> Any:
        path = write_focus(self.folder / f"{next(numbers)}.csv", *rows)
        return import_files([path], source_name=self.source.name, force=True, **options)

    def _settle(self) -> None:
        """Of a row that is billed still, as its reversal was left out, the second one is left out; all else is approved."""
        held = Charge.objects.held()
        if again := [charge.pk for charge in held if LEFT_OUT in charge.flags.get("late", "")]:
            exclude(Charge.objects.filter(pk__in=again), reason=WHY)
        approve(Charge.objects.held())

    def _open(self) -> str:
        return BillingPeriod.objects.filter(state="open").order_by("month").first().month

    def _charge(self, name: str) -> Any:
        """What bills the row now."""
        found = Charge.objects.current().filter(resource_id=name, due_amount__gt=0, period__month__lt="2026")
        standing = found.exclude(kind="reversal").exclude(pk__in=reversals_of(found).values("origin"))
        billing = standing.exclude(review_status="deferred", period__state="finalized").exclude(review_status="divided")
        last = billing.order_by("pk").last()
        if last is None or name not in self.rows or self._is_stuck(name):
            raise Refused("Nothing bills it.")
        return Charge.objects.filter(pk=last.pk)

    def _is_free(self, name: str) -> bool:
        """A credit must not outlive its charge: people withdraw it first."""
        return name in self.rows and not self.rows[name].credited

    def _is_stuck(self, name: str) -> bool:
        return name in self.rows and self.rows[name].is_stuck

    def _is_billed(self, charge: Charge) -> bool:
        return charge.review_status in ("clear", "approved")

    def _credited(self, name: str, due: Decimal) -> None:
        rows = self.others if name in self.others else self.rows
        rows[name] = replace(rows[name], credited=rows[name].credited + due)


def _bob() -> dict[str, Any]:
    return {"pi": make_pi("bob@example.edu"), "project": make_project("bob"), "funding_account": make_fund("NSF-2")}


files = st.fixed_dictionaries(
    {}, optional={"a": st.sampled_from([20, 25]), "b": st.sampled_from([12, 9]), "tax": st.just(4)}
)
names = st.sampled_from(ROWS)
Step = tuple[str, tuple[Any, ...]]
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.sampled_from(["file", "file_with_reversals_deferred", "file_with_reversals_left_out", "file_and_back"]), st.tuples(files)),
    st.tuples(st.sampled_from(["defer", "exclude", "to_bob", "credit", "dispute", "correct"]), st.tuples(names)),
    st.tuples(st.sampled_from(["campaign", "close", "seal", "seal"]), st.just(())),
)  # fmt: skip


@given(st.lists(steps, min_size=3, max_size=9))
@settings(
    deadline=None, max_examples=6, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
def test_no_sequence_makes_or_loses_money(tmp_path: Path, sequence: list[Step]) -> None:
    with transaction.atomic():
        run(World(tmp_path), sequence)
        transaction.set_rollback(True)


def run(world: World, sequence: list[Step]) -> None:
    for name, arguments in sequence:
        before = dict(world.rows)
        try:
            with transaction.atomic():
                getattr(world, name)(*arguments)
        except Refused:
            world.rows = before
        else:
            world.steps.append(f"{name}{arguments}")
    world.assert_conserved()


ALL = {"a": 20, "b": 12, "tax": 4}
NO_B, NO_TAX, DEAR_B = {"a": 20, "tax": 4}, {"a": 20, "b": 12}, {"a": 20, "b": 9, "tax": 4}


@pytest.mark.parametrize(
    "sequence",
    [
        [("defer", "b"), ("seal",), ("to_bob", "b"), ("credit", "b"), ("seal",), ("file", NO_B), ("file", ALL)],
        [
            ("defer", "b"),
            ("seal",),
            ("defer", "b"),
            ("seal",),
            ("to_bob", "b"),
            ("file", DEAR_B),
            ("file_and_back", NO_B),
        ],
        [("defer", "tax"), ("seal",), ("seal",), ("file", NO_TAX)],
        [
            ("defer", "tax"),
            ("seal",),
            ("to_bob", "tax"),
            ("seal",),
            ("file_with_reversals_deferred", NO_TAX),
            ("seal",),
        ],
        [
            ("credit", "b"),
            ("seal",),
            ("file_with_reversals_deferred", NO_B),
            ("seal",),
            ("file", ALL),
            ("dispute", "b"),
        ],
        [("to_bob", "b"), ("dispute", "b"), ("campaign",), ("file", DEAR_B), ("campaign",), ("file_and_back", NO_B)],
        [("credit", "b"), ("seal",), ("correct", "b"), ("file", DEAR_B), ("seal",), ("file", NO_B), ("file", ALL)],
        [("defer", "b"), ("seal",), ("campaign",), ("seal",), ("correct", "b"), ("seal",), ("file", NO_B)],
        [
            ("exclude", "b"),
            ("seal",),
            ("file_and_back", NO_B),
            ("correct", "b"),
            ("file_with_reversals_left_out", NO_B),
            ("file", DEAR_B),
        ],
        [("file_with_reversals_left_out", NO_B), ("file", ALL), ("file", DEAR_B), ("campaign",), ("file", NO_B)],
        [
            ("file", DEAR_B),
            ("defer", "b"),
            ("close",),
            ("file_and_back", ALL),
            ("seal",),
            ("seal",),
            ("to_bob", "b"),
            ("file", NO_B),
        ],
        [("defer", "b"), ("file", NO_B), ("seal",), ("file", ALL), ("defer", "b"), ("file", DEAR_B), ("credit", "b")],
    ],
)
def test_of_mixed_sequences_every_step_is_taken(tmp_path: Path, sequence: list[Any]) -> None:
    world = World(tmp_path)
    run(world, [(name, arguments) for name, *arguments in sequence])
    assert len(world.steps) == len(sequence)
