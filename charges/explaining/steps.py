"""The steps that were tried to find who pays, in their order, and which of them matched.

What decided is read from the charge, as it was stored when it was loaded: rules, splits and defaults may have changed
since. Where they say something else today, that stands beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError

from charges.attribution.deciding import address
from charges.attribution.funding import ProjectFunds
from charges.explaining.decided import OFFICE, Decision
from charges.explaining.delivered import Row
from charges.models import AttributionRule, Charge, FundingAccount, PIAddress, PrincipalInvestigator, Project

By = Charge.FundStep
OF_FUND: Sequence[By] = [step for step in By if step != By.NONE]  # as declared: the order in which they are asked
OF_OTHERS: Sequence[By] = [By.DECISION, By.BEARER, By.OVERRIDE, By.TAG, By.RULE, By.CENTRAL]
RARE = (By.BEARER, By.CENTRAL)  # asked for refunds and shared costs alone
PARTS = {"pi": "PI", "project": "Project", "funding_account": "Fund"}
TAGS = {"pi": "pi_email", "project": "project_id", "funding_account": "fund_org"}
SAYS = ("source", *PARTS)


class Verdict(StrEnum):
    DECIDED = "decided"
    SILENT = "named none"
    SET_ASIDE = "not valid"
    UNASKED = "not asked"
    OVERRULED = "overruled"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Step:
    """`says` is of then; `today` is empty where nothing is other today."""

    name: str
    verdict: Verdict
    says: str = ""
    today: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Of PI, project and fund, one: what it is, and the steps that were tried for it."""

    name: str
    value: str
    steps: list[Step]

    @property
    def decided(self) -> Step | None:
        return next((step for step in self.steps if step.verdict == Verdict.DECIDED), None)


def parts(charge: Charge, row: Row, made: Sequence[Decision], *, for_payer: bool = False) -> list[Part]:
    facts = _Facts(charge, row, made, for_payer=for_payer)
    return [facts.payer("pi"), facts.payer("project"), facts.fund()]


class _Facts:
    """What is stored of one charge, looked up once."""

    def __init__(self, charge: Charge, row: Row, made: Sequence[Decision], *, for_payer: bool) -> None:
        self.charge, self.told, self.made, self.for_payer = charge, row.told, made, for_payer
        self.rule, self.rule_today = _rules(charge)

    def payer(self, name: str) -> Part:
        """Which step decided about PI and project is not stored: it is the first that names what the charge has."""
        value = getattr(self.charge, name)
        by = self._named_by(name, value) if value else By.NONE
        return Part(PARTS[name], str(value or "none"), self._steps(name, by, OF_OTHERS))

    def fund(self) -> Part:
        charge = self.charge
        by = By(charge.fund_step)
        value = "divided by a split" if by == By.SPLIT else str(charge.funding_account or "none")
        return Part(PARTS["funding_account"], value, self._steps("funding_account", by, OF_FUND))

    def _steps(self, name: str, by: By | None, order: Sequence[By]) -> list[Step]:
        return [self._step(step, name, by, order) for step in order if step not in RARE or step == by]

    def _named_by(self, name: str, value: Any) -> By | None:
        if self._made(name):
            return By.DECISION
        if self.charge.fund_step in RARE:
            return By(self.charge.fund_step)
        is_of_rule = self.rule is not None and _standing(getattr(self.rule, name)) == value
        if is_of_rule and self.rule.mode == AttributionRule.Mode.OVERRIDE:
            return By.OVERRIDE
        if (self.told or {}).get(TAGS[name]) and self._by_tag(name) == value:
            return By.TAG
        return By.RULE if is_of_rule else None

    def _step(self, step: By, name: str, by: By | None, order: Sequence[By]) -> Step:
        says, today = self._words(step, name, is_decided=step == by)
        verdict = _verdict(step, by, order, says)
        if by == By.DECISION and verdict == Verdict.UNASKED:  # they were asked, before a person looked at it
            verdict = self._before_decision(name, says)
        return Step(str(step.label), verdict, says, today)

    def _before_decision(self, name: str, says: str) -> Verdict:
        made = self._made(name)
        if made and made.named_none(list(PARTS).index(name)):
            return Verdict.SILENT
        return Verdict.OVERRULED if says else Verdict.UNKNOWN

    def _made(self, name: str) -> Decision | None:
        """The decision that named it, the latest of several."""
        place = list(PARTS).index(name)
        return next((decision for decision in self.made if decision.moved(place)), None)

    def _words(self, step: By, name: str, *, is_decided: bool) -> tuple[str, str]:
        if step == By.TAG:
            return self._tag(name), ""
        say: Callable[[], tuple[str, str]] | None = {
            By.DECISION: lambda: self._decision(name),
            By.OVERRIDE: lambda: self._rule(name),
            By.RULE: lambda: self._rule(name),
            By.SPLIT: self._split,
            By.BEARER: lambda: ("As the charge that it refunds.", ""),
            By.CENTRAL: lambda: (f"Of {self.charge.source}, for costs that nobody is named for.", ""),
            By.PROJECT: lambda: self._project("default_fund", "default"),
            By.FALLBACK: lambda: self._project("fallback_fund", "fallback"),
        }.get(step)
        return say() if say and is_decided else ("", "")

    def _tag(self, name: str) -> str:
        """What the row says, whether it was asked or not."""
        if self.told is None:
            return ""
        text = self.told.get(TAGS[name], "")
        if not text:
            return ""
        known, value = self._by_tag(name), getattr(self.charge, name)
        if self.for_payer and name == "pi" and known != value:
            return "Names somebody else."
        merged = f", which goes by {_code(known)} now" if known and _code(known).lower() != text.lower() else ""
        return f"{TAGS[name]} = {text}{merged}"

    def _by_tag(self, name: str) -> Any:
        text = (self.told or {}).get(TAGS[name], "")
        if name == "pi":
            return _pi(text)
        model: Any = Project if name == "project" else FundingAccount
        found = model.objects.select_related("merged_into").filter(code=text).first()
        return _standing(found)

    def _decision(self, name: str) -> tuple[str, str]:
        made = self._made(name)
        if made is None:
            return "By a person.", ""
        by = OFFICE if self.for_payer and made.action != "choose_fund" else made.by
        return f"By {by}, {made.at:%Y-%m-%d}.", ""

    def _rule(self, name: str) -> tuple[str, str]:
        if self.for_payer:
            return "By a rule of the billing office.", ""
        then, now = (in_words(rule) if rule else "" for rule in (self.rule, self.rule_today))
        changed = f"Today it reads: {now}" if now and now != then else "" if now else "It is there no more."
        return then or "Which rule it was is not stored.", changed if then else ""

    def _split(self) -> tuple[str, str]:
        split = ProjectFunds(self.charge.project).split(self.charge) if self.charge.project else None
        if split is None:
            return "A split divided it.", "The split does not cover this month any more."
        return ", ".join(f"{percent.normalize():f} % {fund}" for fund, percent in split.parts()), ""

    def _project(self, field: str, word: str) -> tuple[str, str]:
        charge = self.charge
        now = getattr(charge.project, field) if charge.project else None
        changed = "" if now == charge.funding_account else f"Today the {word} is {now or 'not set'}."
        return f"The project's {word}: {charge.funding_account}.", changed


def in_words(rule: Any) -> str:
    """Of a rule, or of an earlier version of it."""
    wanted = {
        "source": rule.source, "sub-account": rule.sub_account_id, "resources that begin with": rule.resource_prefix,
        "service": rule.service_name, "tag": rule.tag,
    }  # fmt: skip
    found = ", ".join(f"{what} {value}" for what, value in wanted.items() if value)
    given = ", ".join(f"{PARTS[name]} {getattr(rule, name)}" for name in PARTS if getattr(rule, name))
    return f"{found or 'any charge'} → {given}"


def _verdict(step: By, by: By | None, order: Sequence[By], says: str) -> Verdict:
    if by is None:
        return Verdict.UNKNOWN
    if step == by:
        return Verdict.DECIDED
    if by != By.NONE and order.index(step) > order.index(by):
        return Verdict.UNASKED
    if by == By.FALLBACK and says:
        return Verdict.SET_ASIDE  # it named a fund, on which the charge came after its last day
    return Verdict.SILENT


def _rules(charge: Charge) -> tuple[Any, AttributionRule | None]:
    """The rule that is stored with the charge: as it was when the delivery came, and as it is."""
    if charge.rule_id is None:
        return None, None
    history: Any = AttributionRule.history
    versions = history.filter(id=charge.rule_id).select_related(*SAYS)
    then = versions.filter(history_date__lte=charge.loaded_by.created_at).order_by("-history_date", "-history_id")
    now = AttributionRule.objects.select_related(*SAYS).filter(pk=charge.rule_id).first()
    return then.first() or now, now


def _pi(text: str) -> PrincipalInvestigator | None:
    try:
        email = address(text)
    except ValidationError:
        return None
    found = PrincipalInvestigator.objects.select_related("merged_into").filter(email=email).first()
    alias = None if found else PIAddress.objects.select_related("pi__merged_into").filter(email=email).first()
    return _standing(found or (alias and alias.pi))


def _standing(row: Any) -> Any:
    return row.standing if row else None


def _code(row: Any) -> str:
    return str(getattr(row, "email", "") or row.code)
