"""Turns payers into rows of PIs, projects and funds; makes those that a tag names for the first time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model
from simple_history.utils import bulk_update_with_history

from charges.attribution.deciding import Payer
from charges.attribution.funding import last_valid
from charges.flags.allowing import AllowList
from charges.importing.checking.memo import Memo
from charges.importing.judging import histories
from charges.models import (
    Charge,
    FundingAccount,
    FundingSplit,
    PIAddress,
    PrincipalInvestigator,
    Project,
    ProjectDelegate,
)

M = TypeVar("M", bound=Model)
Step = Charge.FundStep
MOST_MET = 50_000
LEARNED: dict[type[Model], list[str]] = {
    PrincipalInvestigator: ["name", "department"],
    Project: ["name", "department", "cost_center", "end_date"],
}
OF_PROJECT = ("default_fund", "fallback_fund")
RELATED: dict[type[Model], tuple[str, ...]] = {Project: (*OF_PROJECT, *(f"merged_into__{name}" for name in OF_PROJECT))}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Keys for the charge; None where the payer is not named, or not to be made in a dry run.

    As with payers, two are the same only if they are one.
    """

    pi: int | None
    project: int | None
    project_code: str
    fund: int | None
    fund_code: str
    fund_step: str
    is_split: bool
    expired_on: date | None = None
    ends_on: date | None = None  # the last day of the fund, where the row runs past it
    is_left_open: bool = False  # then nothing bears the days after
    unlisted: str = ""  # why an allow-list objects to the fund


class _Known(NamedTuple):
    """A payer's rows of a month, before service and day are looked at. `fund`: only one whose validity is limited."""

    found: Found
    splits: list[FundingSplit]
    last_day: date | None
    fund: FundingAccount | None
    fallback: FundingAccount | None


class Directory:
    """Remembers what it found: a block of rows costs one look-up for all of its PIs, projects and funds."""

    def __init__(self, allow_list: AllowList, *, may_create: bool) -> None:
        self.allow_list, self.may_create = allow_list, may_create
        self._pis: dict[str, PrincipalInvestigator] = {}
        self._projects: dict[str, Project] = {}
        self._funds: dict[str, FundingAccount] = {}
        self._splits: dict[int, list[FundingSplit]] = {}  # by project
        self._end_dates: dict[str, date | None] = {}
        self._tagged_ends: dict[str, date] = {}
        self._met: set[Payer] = set()
        self._known: Memo[tuple[Payer, str], _Known] = Memo(lambda key: self._know(*key))
        self.found: Memo[tuple[Payer, str, str, date | None, date | None], Found] = Memo(lambda key: self.find(*key))

    def are_the_same_all_month(self, payers: Iterable[Payer], month: str) -> bool:
        """Whether neither the service nor the days of a row make a difference to who pays."""
        known = (self._known[payer, month] for payer in payers)
        return not self.allow_list.is_on and not any(one.splits or one.last_day or one.fund for one in known)

    def find(self, payer: Payer, service_name: str, month: str, day: date | None, last: date | None) -> Found:
        """What is known of a payer that `meet` has seen, for a row of these days."""
        found = self._find(payer, service_name, month, day, last)
        unlisted = self.allow_list.objection(found.fund_code, day)
        return replace(found, unlisted=unlisted) if unlisted else found

    def _find(self, payer: Payer, service_name: str, month: str, day: date | None, last: date | None) -> Found:
        """Of service and day where a split or end date asks for them."""
        known = self._known[payer, month]
        if known.splits and any(split.pays_for(service_name) for split in known.splits):
            return replace(known.found, fund=None, fund_code="", fund_step=Step.SPLIT.value, is_split=True)
        if day is None or (known.last_day is None and known.fund is None):
            return known.found
        expired_on = _expired_on(known, day)
        if expired_on is None:
            ends_on = _ends_on(known, day, last or day)
            is_open = ends_on is not None and not _falls_back(known, ends_on + timedelta(days=1))
            return replace(known.found, ends_on=ends_on, is_left_open=is_open) if ends_on else known.found
        if known.fallback and _falls_back(known, day):
            return replace(
                known.found, fund=known.fallback.pk, fund_code=known.fallback.code, fund_step=Step.FALLBACK.value
            )
        return replace(known.found, expired_on=expired_on)

    def meet(self, payers: Iterable[Payer]) -> None:
        """Look up all that the payers name, make what is named for the first time, and learn what they say of it."""
        new = [payer for payer in dict.fromkeys(payers) if payer not in self._met]
        if not new:
            return
        aliases = PIAddress.objects.select_related("pi").filter(email__in={p.pi_email for p in new} - self._pis.keys())
        self._pis |= {alias.email: alias.pi for alias in aliases}
        unsaved = [
            *self._look_up(PrincipalInvestigator, "email", self._pis, (payer.pi_email for payer in new)),
            *self._look_up(Project, "code", self._projects, (payer.project_code for payer in new)),
            *self._look_up(FundingAccount, "code", self._funds, (payer.fund for payer in new)),
        ]
        if self.may_create:
            _save_changed([row for row in self._learn(new) if row.pk])
            self._save_new(unsaved)
            self._learn_delegates(new)
        if len(self._met) >= MOST_MET:
            self._met.clear()
        self._met.update(new)

    def _splits_of(self, project: Project, month: str) -> list[FundingSplit]:
        return [split for split in self._splits.get(project.pk, ()) if split.is_in_force(month)]

    def _know(self, payer: Payer, month: str) -> "_Known":
        pi, project = self._pis.get(payer.pi_email), self._projects.get(payer.project_code)
        code, step = payer.fund, payer.fund_step
        if not code and project and project.default_fund:
            code, step = project.default_fund.code, Step.PROJECT
            self._funds.setdefault(code, project.default_fund)
        fund = self._funds.get(code)
        # The end date that the project had before this delivery: the order of rows must not matter.
        last_day = (payer.end_date or self._end_dates.get(project.code if project else "")) if code else None
        return _Known(
            found=Found(
                pi=_key(pi),
                project=_key(project),
                project_code=project.code if project else payer.project_code,
                fund=_key(fund),
                fund_code=fund.code if fund else code,
                fund_step=str(step),
                is_split=False,
            ),
            splits=self._splits_of(project, month) if project and payer.fund_step != Step.OVERRIDE else [],
            last_day=last_day,
            fund=fund if fund and (fund.valid_from or fund.valid_until) else None,
            fallback=project.fallback_fund if project else None,
        )

    def _look_up(self, model: type[M], name: str, known: dict[str, M], named: Iterable[str]) -> list[M]:
        """Add to what is known; what is not there stands as a new row, still to be saved."""
        keys = set(named) - known.keys() - {""}
        known |= _by_key(model, name, keys)
        new = {key: model(**{name: key}) for key in sorted(keys - known.keys())} if self.may_create else {}
        known |= new
        if model is Project:
            self._look_up_projects([self._projects[key] for key in keys & self._projects.keys()])
        return list(new.values())

    def _look_up_projects(self, projects: list[Project]) -> None:
        self._end_dates |= {project.code: project.end_date for project in projects}
        for split in FundingSplit.objects.filter(project__in=[project.pk for project in projects if project.pk]):
            self._splits.setdefault(split.project_id, []).append(split)

    def _learn(self, payers: list[Payer]) -> list[PrincipalInvestigator | Project]:
        """Fill what staff have not, from every set of tags: the first row of a project need not say it all."""
        changed: list[PrincipalInvestigator | Project] = []
        for payer in payers:
            pi, project = self._pis.get(payer.pi_email), self._projects.get(payer.project_code)
            if pi and _fill(pi, name=pi.name or payer.pi_name, department=pi.department or payer.department):
                changed.append(pi)
            if project and self._learn_project(payer, project):
                changed.append(project)
        return changed

    def _save_new(self, unsaved: list[Any]) -> None:
        """Another import may make the same at this moment: then its rows are taken."""
        self._pis |= _saved(PrincipalInvestigator, "email", unsaved)
        self._projects |= _saved(Project, "code", unsaved)
        self._funds |= _saved(FundingAccount, "code", unsaved)

    def _learn_delegates(self, payers: list[Payer]) -> None:
        named = {
            (self._projects[payer.project_code].pk, email): None
            for payer in payers
            if payer.project_code
            for email in payer.delegates
        }
        rows = [ProjectDelegate(project_id=project, email=email) for project, email in named]
        ProjectDelegate.objects.bulk_create(rows, ignore_conflicts=True)

    def _learn_project(self, payer: Payer, project: Project) -> bool:
        """The end date follows the tags, which know of an extension first; of several, the latest."""
        if payer.end_date:
            self._tagged_ends[project.code] = max(payer.end_date, self._tagged_ends.get(project.code, payer.end_date))
        return _fill(
            project,
            name=project.name or payer.project_name,
            department=project.department or payer.department,
            cost_center=project.cost_center or payer.cost_center,
            end_date=self._tagged_ends.get(project.code, project.end_date),
        )


def _expired_on(known: "_Known", day: date) -> date | None:
    """The last valid day that the usage lies after; validity is tested on the day of use."""
    if known.last_day and day > known.last_day:
        return known.last_day
    return known.fund.limit_on(day) if known.fund else None


def _falls_back(known: "_Known", day: date) -> bool:
    return known.fallback is not None and known.fallback.limit_on(day) is None


def _ends_on(known: "_Known", first: date, last: date) -> date | None:
    """The last valid day, where it lies within the days of the row and before the end of them."""
    return last_valid((known.last_day, known.fund.valid_until if known.fund else None), first, last)


def _fill(row: PrincipalInvestigator | Project, **values: Any) -> bool:
    """Whether anything is new."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    return bool(changed)


def _saved(model: type[M], name: str, unsaved: list[Any]) -> dict[str, M]:
    rows = [row for row in unsaved if isinstance(row, model)]
    # Their keys come back, also of those that are there already: each is told its own name once more.
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=[name], update_fields=[name])
    histories.begin(rows)
    return {getattr(row, name): row for row in rows}


def _save_changed(rows: list[PrincipalInvestigator | Project]) -> None:
    for model, fields in LEARNED.items():
        of_model = {row.pk: row for row in rows if isinstance(row, model)}
        if of_model:
            bulk_update_with_history(list(of_model.values()), model, fields, batch_size=500)


def _by_key(model: type[M], name: str, keys: Iterable[str]) -> dict[str, M]:
    """By the names asked for; a row that was merged into another is that one."""
    rows = model._default_manager.filter(**{f"{name}__in": list(keys)}).select_related(
        "merged_into", *RELATED.get(model, ())
    )
    found = {row.pk: row for row in rows}
    return {getattr(row, name): found.get(row.merged_into_id) or row.standing for row in found.values()}  # type: ignore[attr-defined]


def _key(row: Model | None) -> int | None:
    return row.pk if row else None
