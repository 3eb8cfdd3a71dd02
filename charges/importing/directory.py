"""Turns payers into rows of PIs, projects and funds; makes those that a tag names for the first time."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

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


class Found(NamedTuple):
    """Keys for the charge; None where the payer is not named, or not to be made in a dry run."""

    pi: int | None
    project: int | None
    fund: int | None
    fund_code: str
    fund_step: str
    is_split: bool
    expired_on: date | None = None


class _Known(NamedTuple):
    """A payer's rows of a month, before service and day are looked at. `fund`: only one whose validity is limited."""

    found: Found
    splits: list[FundingSplit]
    last_day: date | None
    fund: FundingAccount | None
    fallback: FundingAccount | None


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
        self._learned: set[tuple[object, ...]] = set()
        self._known = lru_cache(maxsize=20_000)(self._know)

    def find(self, payer: Payer, service_name: str, month: str, day: date | None) -> Found:
        """What is known of the payer; of service and day only where a split or an end date asks for them."""
        known = self._known(payer, month)
        if known.splits and any(split.pays_for(service_name) for split in known.splits):
            return known.found._replace(fund=None, fund_code="", fund_step=Step.SPLIT, is_split=True)
        if day is None or (known.last_day is None and known.fund is None):
            return known.found
        expired_on = _expired_on(known, day)
        if expired_on and known.fallback:
            return known.found._replace(fund=known.fallback.pk, fund_code=known.fallback.code, fund_step=Step.FALLBACK)
        return known.found._replace(expired_on=expired_on) if expired_on else known.found

    def _know(self, payer: Payer, month: str) -> "_Known":
        pi = self._remember(self._pis, payer.pi_email, self._pi)
        project = self._remember(self._projects, payer.project_code, self._project)
        self._learn(payer, pi, project)
        code, step = payer.fund, payer.fund_step
        if not code and project and project.default_fund:
            code, step = project.default_fund.code, Step.PROJECT
        fund = self._remember(self._funds, code, self._fund)
        # The end date that the project had before this delivery: the order of rows must not matter.
        last_day = (payer.end_date or self._end_dates.get(payer.project_code)) if code else None
        return _Known(
            found=Found(_key(pi), _key(project), _key(fund), fund.code if fund else code, step, is_split=False),
            splits=self._splits_of(project, month) if project and payer.fund_step != Step.OVERRIDE else [],
            last_day=last_day,
            fund=fund if fund and (fund.valid_from or fund.valid_until) else None,
            fallback=project.fallback_fund if project else None,
        )

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
        said = (
            *(payer.pi_email, payer.pi_name, payer.department, payer.project_code, payer.project_name),
            *(payer.cost_center, payer.end_date, payer.delegates),
        )
        if said in self._learned or not self.may_create:
            return
        self._learned.add(said)
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

    def _splits_of(self, project: Project, month: str) -> list[FundingSplit]:
        key = (project.pk, month)
        if key not in self._splits:
            self._splits[key] = [split for split in project.splits.all() if split.is_in_force(month)]
        return self._splits[key]


def _expired_on(known: "_Known", day: date) -> date | None:
    """The last valid day that the usage lies after; validity is tested on the day of use."""
    if known.last_day and day > known.last_day:
        return known.last_day
    return known.fund.limit_on(day) if known.fund else None


def _update(row: PrincipalInvestigator | Project, **values: Any) -> None:
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)


def _key(row: Model | None) -> int | None:
    return row.pk if row else None
