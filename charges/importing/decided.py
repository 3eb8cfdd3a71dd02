"""What people decided about quarantined rows: it holds when the same raw row is delivered again."""

from collections import defaultdict

from charges.models import FocusImport, ImportIssue, Source

Status = ImportIssue.Status


class Decided:
    """Corrected and discarded rows of a source by the digest of their raw text; each decision answers for one row."""

    def __init__(self, source: Source) -> None:
        self.by_digest: defaultdict[int, list[ImportIssue]] = defaultdict(list)
        decided = ImportIssue.objects.filter(
            focus_import__source=source.pk,
            focus_import__state=FocusImport.State.LOADED,
            status__in=[Status.CORRECTED, Status.DISCARDED],
            replaced_by=None,
        )
        for issue in decided.exclude(raw_digest=0).order_by("-pk"):
            self.by_digest[issue.raw_digest].append(issue)

    def take(self, digest: int) -> ImportIssue | None:
        """The latest decision that no other row took."""
        issues = self.by_digest.get(digest)
        return issues.pop(0) if issues else None


def corrected(cells: list[str], names: tuple[str, ...], correction: dict[str, str]) -> list[str]:
    """The row with the corrected texts in place; cells that the header does not name are left out."""
    padded = [*cells, *[""] * len(names)]
    return [correction.get(name, cell) for name, cell in zip(names, padded, strict=False)]
