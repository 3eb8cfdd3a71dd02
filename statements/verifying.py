"""Proves that finalized months are as they were sealed, and names what is not."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from charges.importing.delivery import received_path
from charges.models import AdjustmentAttachment, DisputeAttachment, FundingAccount, ReceivedFile
from charges.money import ZERO
from periods import storage
from periods.errors import Refused
from periods.models import BillingPeriod
from statements import canonical, guards
from statements.comparing import UNREADABLE, compare
from statements.journaling import outstanding
from statements.models import ArchivedDocument, Journal, JournalLine, Seal, Statement

FIGURES = ("list_amount", "provider_discount", "subsidy", "adjustments", "due_amount")


def verify_ledger(period: BillingPeriod | None = None) -> list[str]:
    """A sentence for everything wrong with the finalized months, or with one; empty when all is well.

    The chain of seals and the guards are checked in either case.
    """
    if period and period.state != BillingPeriod.State.FINALIZED:
        raise Refused(f"{period} is {period.get_state_display().lower()}: only a finalized month can be verified.")
    return list(_findings(period))


def _findings(period: BillingPeriod | None) -> Iterator[str]:
    for name in guards.missing():
        yield f"The guard {name} is missing or altered: run manage.py migrate."
    seals = list(Seal.objects.select_related("period", "previous").order_by("number"))
    yield from _chain(seals)
    printed = Statement.objects.exclude(seal_head="").exclude(seal_head__in=[seal.head for seal in seals])
    for statement in printed.order_by("number", "revision"):
        yield f"Statement {statement} prints a head of the seal chain that no seal has."
    for seal in seals:
        if period is None or seal.period_id == period.pk:
            yield from _month(seal)


def _chain(seals: list[Seal]) -> Iterator[str]:
    before: Seal | None = None
    for number, seal in enumerate(seals, start=1):
        if seal.number != number or seal.previous_id != (before.pk if before else None):
            yield f"The chain of seals is broken before seal {seal.number}, of {seal.period}."
        if seal.head != canonical.head_of(seal):
            yield f"Seal {seal.number}, of {seal.period}, was changed: its head does not follow from what it says."
        before = seal
    finalized = BillingPeriod.objects.filter(state=BillingPeriod.State.FINALIZED)
    for period in finalized.exclude(pk__in=[seal.period_id for seal in seals]):
        yield f"{period} is finalized and has no seal."
    for seal in seals:
        if seal.period.state != BillingPeriod.State.FINALIZED:
            yield f"{seal.period} is sealed and no longer finalized."


def _month(seal: Seal) -> Iterator[str]:
    if seal.algorithm not in canonical.VERSIONS:
        yield f"Seal {seal.number} has the unknown algorithm {seal.algorithm}."
        return
    if (seal.period.finalized_at, seal.period.finalized_by_id) != (seal.sealed_at, seal.sealed_by_id):
        yield f"{seal.period} says that it was finalized at another time, or by another, than its seal says."
    yield from compare(seal, storage.locate(canonical.path_of(seal)))
    for check in (changed_files, _statements, _journals):
        try:
            yield from check(seal.period)
        except UNREADABLE as error:
            yield f"{seal.period} holds what cannot be read: {error}."


def changed_files(period: BillingPeriod) -> Iterator[str]:
    for document in ArchivedDocument.objects.filter(period=period).order_by("pk"):
        what = f"{document.get_kind_display()} {document.path}"
        yield from _file(what, storage.locate(document.path), document.sha256)
    of_disputes = DisputeAttachment.objects.filter(message__dispute__period=period)
    of_adjustments = AdjustmentAttachment.objects.filter(adjustment__period=period)
    for owner, attachments in (("a dispute", of_disputes), ("an adjustment", of_adjustments)):
        for attachment in attachments:
            what = f"Attachment {attachment.pk} of {owner}, {attachment.name},"
            yield from _file(what, storage.locate(attachment.path), attachment.sha256)
    received = ReceivedFile.objects.filter(focus_import__scopes__period=period)
    for file in received.distinct().order_by("pk"):
        yield from _file(f"Received file {file.name}", received_path(file), file.sha256)


def _file(what: str, path: Any, sha256: str) -> Iterator[str]:
    try:
        is_same = storage.digest(path) == sha256
    except OSError as error:
        yield f"{what} cannot be read: {error.strerror}."
    else:
        if not is_same:
            yield f"{what} was changed: its hash is not the recorded one."


def _statements(period: BillingPeriod) -> Iterator[str]:
    sums = {f"lines_{figure}": Sum(f"lines__{figure}") for figure in FIGURES}
    for statement in Statement.objects.current().filter(period=period).annotate(**sums).order_by("number"):
        for figure in FIGURES:
            added, said = getattr(statement, f"lines_{figure}") or ZERO, getattr(statement, figure)
            if added != said:
                yield f"Statement {statement} says {figure} {said:.2f}, its lines add up to {added:.2f}."


def _journals(period: BillingPeriod) -> Iterator[str]:
    """Acknowledged journals hold what statements say, fund by fund; a fund renamed since is the same fund."""
    by_account: dict[int | str, Decimal] = defaultdict(lambda: ZERO)
    for entry, amount in outstanding(period, booked=[Journal.State.ACKNOWLEDGED]).items():
        by_account[entry.fund or entry.account] += amount
    funds = [account for account in by_account if isinstance(account, int)]
    codes = dict(FundingAccount.objects.filter(pk__in=funds).values_list("pk", "code"))
    for account, amount in by_account.items():
        if amount:
            name = codes.get(account, account) if isinstance(account, int) else account
            yield f"Statements and acknowledged journals of {period} differ by {amount:.2f} on {name}."
    lines = JournalLine.objects.filter(journal__period=period, journal__state=Journal.State.ACKNOWLEDGED)
    sides = lines.aggregate(debits=Sum("debit"), credits=Sum("credit"))
    if sides["debits"] != sides["credits"]:
        yield f"Acknowledged journals of {period} do not balance: {sides['debits']:.2f} and {sides['credits']:.2f}."
