"""Which messages there are to send for a month: to whom, and with which statements."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby

from django.conf import settings
from django.db.models import Q, QuerySet

from charges.models import PIAddress, ProjectDelegate
from periods.errors import Refused
from periods.models import BillingPeriod
from statements.issuing import stale_payers
from statements.models import EmailDelivery, Statement

Kind = EmailDelivery.Kind
Key = tuple[str, int, str, str]
PIs = AbstractSet[int] | None  # their ids; None: all


@dataclass(frozen=True, slots=True)
class Letter:
    kind: str
    pi: int
    recipient: str
    statements: tuple[Statement, ...]

    @property
    def content_key(self) -> str:
        return content_key(self.statements)

    @property
    def key(self) -> Key:
        return self.kind, self.pi, self.recipient, self.content_key


def content_key(statements: Iterable[Statement]) -> str:
    hashes = sorted(statement.document.sha256 for statement in statements if hasattr(statement, "document"))
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def of(pis: PIs) -> Q:
    return Q() if pis is None else Q(pi__in=pis)


def require_sendable(period: BillingPeriod, pis: PIs = None) -> None:
    """Raises Refused, saying what is to be done first."""
    if pis is not None and not pis:
        raise Refused(f"Nothing to send for {period}: only what is issued is mailed.")
    if period.state == BillingPeriod.State.OPEN:
        raise Refused(f"{period} is open: close it and issue its statements before they are mailed.")
    unrendered = Statement.objects.filter(of(pis), period=period, document=None).current().count()
    if unrendered:
        what = "1 statement" if unrendered == 1 else f"{unrendered} statements"
        has = "has" if unrendered == 1 else "have"
        raise Refused(f"{what} of {period} {has} no PDF: run render_statements {period.month} first.")
    if not Statement.objects.filter(period=period).exists():
        raise Refused(f"No statement of {period} is issued: run issue_statements {period.month} first.")


def wanted_letters(period: BillingPeriod, pis: PIs = None) -> tuple[list[Letter], list[str]]:
    """All that should have been sent by now; and of whom nothing may be, as statements no longer say what is."""
    stale = [(pi, whose) for pi, whose in stale_payers(period) if pis is None or pi in pis]
    current = current_statements(period).filter(of(pis)).exclude(pi__in={pi for pi, _ in stale})
    return list(letters(list(current))), [
        f"{whose} (not sent): the statement is missing or out of date: issue statements first." for _, whose in stale
    ]


def current_statements(period: BillingPeriod) -> QuerySet[Statement]:
    """In the order of their PIs, which `letters` needs."""
    current = Statement.objects.filter(period=period).current()
    return current.select_related("document", "period", "pi", "project").order_by("pi__email", "pi_id", "number")


def letters(statements: Sequence[Statement]) -> Iterator[Letter]:
    """One for each PI and, by setting, one for each delegate of theirs, with what that delegate may see.

    A message of its own, not a Cc: a delegate of one project must not get the PI's others, and a mail server
    that refuses one of several recipients is not always heard.
    """
    delegates = _delegates(statements) if settings.MAIL_DELEGATES else {}
    for pi, group in groupby(statements, key=lambda statement: statement.pi):
        own = tuple(group)
        yield Letter(Kind.STATEMENTS, pi.pk, pi.email, own)
        shares: dict[str, list[Statement]] = {}
        for statement in own:
            for address in delegates.get(statement.pk, []):
                shares.setdefault(address, []).append(statement)
        yield from (Letter(Kind.DELEGATE, pi.pk, address, tuple(share)) for address, share in shares.items())


def carried_now(delivery: EmailDelivery) -> tuple[Statement, ...]:
    """What the message would carry were it queued now: other than its content key where that has changed since."""
    current = list(current_statements(delivery.period).filter(pi=delivery.pi_id))
    if delivery.kind in {Kind.REMINDER, Kind.COPY}:
        chosen = set(delivery.statements.values_list("pk", flat=True))
        return tuple(found for found in current if found.pk in chosen)
    to = (delivery.kind, delivery.recipient)
    return next((letter.statements for letter in letters(current) if (letter.kind, letter.recipient) == to), ())


def _delegates(statements: Sequence[Statement]) -> dict[int, list[str]]:
    """By statement: the addresses of its project's delegates that are not the PI's own."""
    by_project: dict[int, set[str]] = defaultdict(set)
    for project, address in ProjectDelegate.objects.values_list("project", "email"):
        by_project[project].add(address)
    own: dict[int, set[str]] = defaultdict(set)
    for pi, address in PIAddress.objects.values_list("pi", "email"):
        own[pi].add(address)
    return {
        found.pk: sorted(_of_project(found, by_project) - own[found.pi_id] - {found.pi.email}) for found in statements
    }


def _of_project(statement: Statement, by_project: Mapping[int, set[str]]) -> set[str]:
    """Of a merged project those of the one that stands for it too, as the portal has it."""
    return by_project.get(statement.project_id, set()) | by_project.get(statement.project.merged_into_id or 0, set())
