"""Knows bytes that were loaded before, or kept: what comes again unchanged is not read again, nor billed twice."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When

from charges.importing.receiving import digest_of, holds_rows, received_path
from charges.models import Charge, FocusImport, ImportIssue, ImportScope, ReceivedFile, Source
from periods.errors import Refused
from periods.models import BillingPeriod

MONTH = Case(When(late_month="", then=F("period__month")), default=F("late_month"))  # of a scope


def loaded_already(
    source: Source, hashes: Mapping[str, Path], period: str | None, late_to: str | None
) -> FocusImport | None:
    """The import that holds these very bytes for the same months. Raises Refused where they are billed elsewhere."""
    refuse_other_source(source, hashes)
    same = FocusImport.objects.loaded().filter(source_id=source.pk, sha256=digest_of(hashes))
    earlier = same.select_related("source").first()
    if earlier is None or not _is_read_alike(earlier, source):
        return None
    scopes = list(earlier.scopes.select_related("period"))
    if follower(earlier) or not _agrees_still(earlier) or _may_take_kept(earlier, late_to):
        return None
    _refuse_other_month(earlier, scopes, period)
    return earlier


def settled(source: Source, hashes: Mapping[str, Path], late_to: str | None) -> list[FocusImport]:
    """Whole deliveries among the files that closed months hold unchanged: a folder keeps the files of all months."""
    candidates = FocusImport.objects.loaded().filter(source_id=source.pk, files__sha256__in=list(hashes)).distinct()
    return [
        earlier
        for earlier in candidates.order_by("pk")
        if {file.sha256 for file in earlier.files.all()} <= hashes.keys()
        and _is_settled(earlier)
        and not _may_take_kept(earlier, late_to)
    ]


def _is_settled(earlier: FocusImport) -> bool:
    scopes = list(earlier.scopes.select_related("period"))
    is_open = BillingPeriod.State.OPEN
    if any(scope.period.state == is_open and not scope.late_month for scope in scopes):
        return False
    return follower(earlier) is None and _agrees_still(earlier)


def _agrees_still(earlier: FocusImport) -> bool:
    """Whether the closed months that held the same as the delivery can have changed since; a doubt is a no."""
    months = earlier.settled_months
    if not months:
        return True
    of_months = ImportScope.objects.filter(
        Q(late_month__in=months) | Q(late_month="", period__month__in=months), focus_import__source=earlier.source_id
    ).exclude(focus_import=earlier)
    loaded_since = Q(focus_import__state=FocusImport.State.LOADED, focus_import__loaded_at__gt=earlier.loaded_at)
    has_changed = of_months.filter(loaded_since | Q(focus_import__state=FocusImport.State.REVERSED)).exists()
    return not has_changed and not _open_months(months)


def _open_months(months: Iterable[str]) -> bool:
    return BillingPeriod.objects.filter(month__in=list(months), state=BillingPeriod.State.OPEN).exists()


def _is_read_alike(earlier: FocusImport, source: Source) -> bool:
    return not earlier.read_as or earlier.read_as == source.reading


def kept_already(source: Source, hashes: Mapping[str, Path], late_to: str | None) -> FocusImport | None:
    """The import that holds these very bytes of months that are closed still, kept and not loaded."""
    kept = FocusImport.objects.filter(source_id=source.pk, state=FocusImport.State.LATE, sha256=digest_of(hashes))
    for earlier in kept.select_related("source"):
        if _is_read_alike(earlier, source) and not _may_take_kept(earlier, late_to):
            return earlier
    return None


def _may_take_kept(earlier: FocusImport, late_to: str | None) -> bool:
    """Whether rows that were kept, for want of an open month, or that wait in a closed one, have an open one now."""
    kept = [late["month"] for late in earlier.late_months if not late["to"]]
    if late_to is None:
        return bool(kept) and _open_months(kept)
    return bool(kept) or _waits_in_closed_month(earlier)


def _waits_in_closed_month(earlier: FocusImport) -> bool:
    issues = ImportIssue.objects.filter(status=ImportIssue.Status.OPEN, late_month="").exclude(
        period__state=BillingPeriod.State.OPEN
    )
    of_months = Q(focus_import__source=earlier.source_id, period__month__in=earlier.settled_months)
    is_loaded = Q(focus_import__state=FocusImport.State.LOADED)
    return issues.filter(is_loaded & (Q(focus_import=earlier) | of_months)).exists()


def refuse_other_source(source: Source, hashes: Mapping[str, Path]) -> None:
    """Raises Refused for bytes that count as a delivery of another source."""
    elsewhere = ReceivedFile.objects.filter(sha256__in=list(hashes), focus_import__state=FocusImport.State.LOADED)
    for file in elsewhere.exclude(focus_import__source_id=source.pk).select_related("focus_import__source"):
        if holds_rows(received_path(file)):
            raise Refused(
                f"{hashes[file.sha256].name} is loaded as a delivery of {file.focus_import.source}: "
                "it would be billed twice."
            )


def same_rows(
    source: Source, rows: int, totals: Mapping[str, Mapping[str, Mapping[str, str]]], first: Collection[int]
) -> str:
    """A sentence where as many rows, totals, and first rows are loaded under another source, packed otherwise.

    `first` are identities of a few rows; the bytes of a file tell nothing of those that it, or its archive, holds.
    """
    elsewhere = FocusImport.objects.loaded().filter(kind=FocusImport.Kind.DELIVERY, rows=rows)
    for other in elsewhere.exclude(source=source.pk).select_related("source") if first else ():
        if _of_files(other.totals) == _of_files(totals) and _holds(other, first):
            return f"The same rows are loaded as a delivery of {other.source}, {other}: they would be billed twice."
    return ""


def _of_files(totals: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[tuple[str, str], str]:
    return {(key, column): total["file"] for key, columns in totals.items() for column, total in columns.items()}


def _holds(other: FocusImport, identities: Collection[int]) -> bool:
    current = Charge.objects.current().filter(loaded_by__source=other.source, identity_digest__in=identities)
    return set(current.values_list("identity_digest", flat=True)) == {*identities}


def _refuse_other_month(earlier: FocusImport, scopes: list[ImportScope], period: str | None) -> None:
    """The same bytes belong to one month only, whether the file says so or `--period` did."""
    months = sorted({scope.late_month or scope.period.month for scope in scopes})
    if period:
        is_elsewhere = months != [period]
    else:
        moved = Charge.objects.filter(loaded_by=earlier, flags__has_key="period_mismatch")
        is_elsewhere = bool(earlier.target_month) and moved.exists()
    if is_elsewhere:
        raise Refused(
            f"{earlier} holds the same file for {', '.join(months)}: it would be billed twice. "
            "Reverse that import first."
        )


def is_overtaken(scope: ImportScope) -> bool:
    """Whether a later delivery spoke for the same month and account, or loaded differences of that month."""
    return _later(scope.focus_import, ImportScope.objects.filter(pk=scope.pk)).exists()


def follower(focus_import: FocusImport) -> FocusImport | None:
    """The latest of the deliveries by which this one is overtaken in any of its scopes."""
    if focus_import.loaded_at is None:
        return None
    later = _later(focus_import, ImportScope.objects.filter(focus_import=focus_import)).values("focus_import")
    return FocusImport.objects.filter(pk__in=later).select_related("source").order_by("-loaded_at", "-pk").first()


def _later(focus_import: FocusImport, scopes: QuerySet[ImportScope]) -> QuerySet[ImportScope]:
    same = scopes.annotate(month=MONTH).filter(
        month=OuterRef("month"), billing_account_id=OuterRef("billing_account_id")
    )
    later = ImportScope.objects.annotate(month=MONTH).filter(
        Exists(same),
        focus_import__source=focus_import.source_id,
        focus_import__kind=FocusImport.Kind.DELIVERY,
        focus_import__state=FocusImport.State.LOADED,
        focus_import__loaded_at__gt=focus_import.loaded_at,
    )
    return later.exclude(focus_import=focus_import)
