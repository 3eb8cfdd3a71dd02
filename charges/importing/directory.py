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
        self.find = lru_cache(maxsize=100_000)(self._find)

    def _find(self, payer: Payer, service_name: str, month: str, day: date | None) -> Found:
        pi = self._remember(self._pis, payer.pi_email, lambda: self._pi(payer))
        project = self._remember(self._projects, payer.project_code, lambda: self._project(payer))
        fund_code, step = payer.fund, payer.fund_step
        if project and step != Step.OVERRIDE and self._is_split(project, service_name, month):
            return Found(_key(pi), _key(project), None, "", Step.SPLIT, is_split=True, expired_on=None)
        if not fund_code and project and project.default_fund:
            fund_code, step = project.default_fund.code, Step.PROJECT
        fund = self._remember(self._funds, fund_code, lambda: self._fund(fund_code))
        expired_on = self._expired_on(payer, project, fund, day)
        if expired_on and project and project.fallback_fund:
            fund, step, expired_on = project.fallback_fund, Step.FALLBACK, None
        code = fund.code if fund else fund_code
        return Found(_key(pi), _key(project), _key(fund), code, step, is_split=False, expired_on=expired_on)

    def _remember(self, known: dict[str, M | None], key: str, look_up: Callable[[], M | None]) -> M | None:
        if not key:
            return None
        if key not in known:
            known[key] = look_up()
        return known[key]

    def _pi(self, payer: Payer) -> PrincipalInvestigator | None:
        alias = PIAddress.objects.select_related("pi").filter(email=payer.pi_email).first()
        defaults = {"name": payer.pi_name, "department": payer.department}
        pi = alias.pi if alias else self._get(PrincipalInvestigator, {"email": payer.pi_email}, defaults)
        if pi and self.may_create and not pi.name and payer.pi_name:
            pi.name = payer.pi_name
            pi.save(update_fields=["name"])
        return pi

    def _project(self, payer: Payer) -> Project | None:
        project = self._get(Project, {"code": payer.project_code}, {})
        if project and self.may_create:
            self._follow_tags(project, payer)
            for email in payer.delegates:
                self._get(ProjectDelegate, {"project": project, "email": email}, {})
        return project

    def _follow_tags(self, project: Project, payer: Payer) -> None:
        """Fill what staff have not; the end date follows the tags, which know of an extension first."""
        filled = {
            "name": project.name or payer.project_name,
            "department": project.department or payer.department,
            "cost_center": project.cost_center or payer.cost_center,
            "end_date": payer.end_date or project.end_date,
        }
        changed = [name for name, value in filled.items() if getattr(project, name) != value]
        for name in changed:
            setattr(project, name, filled[name])
        if changed:
            project.save(update_fields=changed)

    def _fund(self, code: str) -> FundingAccount | None:
        return self._get(FundingAccount, {"code": code}, {})

    def _get(self, model: type[M], key: dict[str, Any], defaults: dict[str, Any]) -> M | None:
        if self.may_create:
            return model._default_manager.get_or_create(**key, defaults=defaults)[0]
        return model._default_manager.filter(**key).first()

    def _is_split(self, project: Project, service_name: str, month: str) -> bool:
        key = (project.pk, month)
        if key not in self._splits:
            self._splits[key] = [split for split in project.splits.all() if split.is_in_force(month)]
        return any(split.service_name in ("", service_name) for split in self._splits[key])

    def _expired_on(
        self, payer: Payer, project: Project | None, fund: FundingAccount | None, day: date | None
    ) -> date | None:
        """The last valid day that the usage lies after; validity is tested on the day of use."""
        if day is None or fund is None:
            return None
        last = payer.end_date or (project.end_date if project else None)
        if last and day > last:
            return last
        return None if fund.is_valid_on(day) else (fund.valid_until or fund.valid_from)


def _key(row: Model | None) -> int | None:
    return row.pk if row else None
