"""Turns payers into rows of PIs, projects and funds; makes those that a tag names for the first time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar

from django.db.models import Model

from charges.attribution import Payer
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


@dataclass(frozen=True, slots=True)
class Found:
    """Keys for the charge; None where the payer is not named, or not to be made in a dry run."""

    pi: int | None
    project: int | None
    fund: int | None
    fund_code: str
    fund_step: str
    is_split: bool
    expired_on: date | None


class Directory:
    """Remembers what it found: one look-up a PI, project and fund, whatever the number of rows."""

    def __init__(self, *, may_create: bool) -> None:
        self.may_create = may_create
        self._pis: dict[str, PrincipalInvestigator | None] = {}
        self._projects: dict[str, Project | None] = {}
        self._funds: dict[str, FundingAccount | None] = {}
        self._splits: dict[tuple[int, str], list[FundingSplit]] = {}
        self._end_dates: dict[str, date | None] = {}
        self._tagged_ends: dict[str, date] = {}
        self._learned: set[Payer] = set()
        self.find = lru_cache(maxsize=100_000)(self._find)

    def _find(self, payer: Payer, service_name: str, month: str, day: date | None) -> Found:
        pi = self._remember(self._pis, payer.pi_email, self._pi)
        project = self._remember(self._projects, payer.project_code, self._project)
        self._learn(payer, pi, project)
        fund_code, step = payer.fund, payer.fund_step
        if project and step != Step.OVERRIDE and self._is_split(project, service_name, month):
            return Found(_key(pi), _key(project), None, "", Step.SPLIT, is_split=True, expired_on=None)
        if not fund_code and project and project.default_fund:
            fund_code, step = project.default_fund.code, Step.PROJECT
        fund = self._remember(self._funds, fund_code, self._fund)
        expired_on = self._expired_on(payer, fund_code, fund, day)
        if expired_on and project and project.fallback_fund:
            fund, step, expired_on = project.fallback_fund, Step.FALLBACK, None
        code = fund.code if fund else fund_code
        return Found(_key(pi), _key(project), _key(fund), code, step, is_split=False, expired_on=expired_on)

    def _remember(self, known: dict[str, M | None], key: str, look_up: Callable[[str], M | None]) -> M | None:
        if not key:
            return None
        if key not in known:
            known[key] = look_up(key)
        return known[key]

    def _pi(self, email: str) -> PrincipalInvestigator | None:
        alias = PIAddress.objects.select_related("pi").filter(email=email).first()
        return alias.pi if alias else self._get(PrincipalInvestigator, {"email": email})

    def _project(self, code: str) -> Project | None:
        project = self._get(Project, {"code": code})
        self._end_dates[code] = project.end_date if project else None
        return project

    def _learn(self, payer: Payer, pi: PrincipalInvestigator | None, project: Project | None) -> None:
        """Fill what staff have not, from every set of tags once: the first row of a project need not say it all."""
        if payer in self._learned or not self.may_create:
            return
        self._learned.add(payer)
        if pi:
            _update(pi, name=pi.name or payer.pi_name, department=pi.department or payer.department)
        if project:
            self._learn_project(payer, project)

    def _learn_project(self, payer: Payer, project: Project) -> None:
        """The end date follows the tags, which know of an extension first; of several, the latest."""
        if payer.end_date:
            self._tagged_ends[project.code] = max(payer.end_date, self._tagged_ends.get(project.code, payer.end_date))
        _update(
            project,
            name=project.name or payer.project_name,
            department=project.department or payer.department,
            cost_center=project.cost_center or payer.cost_center,
            end_date=self._tagged_ends.get(project.code, project.end_date),
        )
        for email in payer.delegates:
            self._get(ProjectDelegate, {"project": project, "email": email})

    def _fund(self, code: str) -> FundingAccount | None:
        return self._get(FundingAccount, {"code": code})

    def _get(self, model: type[M], key: dict[str, Any]) -> M | None:
        if self.may_create:
            return model._default_manager.get_or_create(**key)[0]
        return model._default_manager.filter(**key).first()

    def _is_split(self, project: Project, service_name: str, month: str) -> bool:
        key = (project.pk, month)
        if key not in self._splits:
            self._splits[key] = [split for split in project.splits.all() if split.is_in_force(month)]
        return any(split.service_name in ("", service_name) for split in self._splits[key])

    def _expired_on(self, payer: Payer, fund_code: str, fund: FundingAccount | None, day: date | None) -> date | None:
        """The last valid day that the usage lies after; validity is tested on the day of use.

        Of the project counts the end date that it had before this delivery: the order of rows must not matter.
        """
        if day is None or not fund_code:
            return None
        last = payer.end_date or self._end_dates.get(payer.project_code)
        if last and day > last:
            return last
        return None if fund is None or fund.is_valid_on(day) else (fund.valid_until or fund.valid_from)


def _update(row: PrincipalInvestigator | Project, **values: Any) -> None:
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)


def _key(row: Model | None) -> int | None:
    return row.pk if row else None
