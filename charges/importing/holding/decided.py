"""What is known of quarantined rows that come again: what people decided about them holds, and waiting ones wait on."""

from collections import defaultdict

from charges.models import FocusImport, ImportIssue, Source

Status = ImportIssue.Status


class Decided:
    """Quarantined rows of a source by the digest of their raw text; each record answers for one row."""

    def __init__(self, source: Source) -> None:
        self.by_digest: defaultdict[int, list[ImportIssue]] = defaultdict(list)
        records = ImportIssue.objects.filter(
            focus_import__source=source.pk,
            focus_import__state=FocusImport.State.LOADED,
            status__in=[Status.CORRECTED, Status.DISCARDED, Status.OPEN],
            replaced_by=None,
        )
        unread = ("raw_row", "raw_value", "sentence", "counted")
        latest = records.exclude(raw_digest=0).select_related("period").defer(*unread).order_by("-pk")
        for issue in sorted(latest, key=lambda issue: issue.status == Status.OPEN):
            self.by_digest[issue.raw_digest].append(issue)

    def take(self, digest: int) -> ImportIssue | None:
        """The latest decision that no other row took; where there is none, the row that waits for one."""
        issues = self.by_digest.get(digest)
        return issues.pop(0) if issues else None

    def correction(self, digest: int) -> dict[str, str] | None:
        """Of a row that will be taken later."""
        found = (issue.correction for issue in self.by_digest.get(digest, []) if issue.status == Status.CORRECTED)
        return next(found, None)


def settles(record: ImportIssue | None, month: str) -> bool:
    """Whether a row that a closed month does not hold makes no difference to it: discarded, or waiting there already."""
    if record is None:
        return False
    return record.status == Status.DISCARDED or (record.status == Status.OPEN and record.month == month)


def corrected(cells: list[str], names: tuple[str, ...], correction: dict[str, str]) -> list[str]:
    """The row with the corrected texts in place; cells that the header does not name are left out."""
    padded = [*cells, *[""] * len(names)]
    return [correction.get(name, cell) for name, cell in zip(names, padded, strict=False)]
