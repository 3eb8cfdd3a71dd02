"""The row of the received file behind a charge: as it came, and with what a person wrote in place of unusable text."""

from dataclasses import dataclass, field

from charges.attribution.deciding import read_tags
from charges.focus import Header
from charges.importing.raw import raw_row
from charges.models import Charge, ImportIssue
from periods.errors import Refused

TAGS = ("Tags", "AllocatedTags")


@dataclass(frozen=True, slots=True)
class Row:
    """Without columns, `note` says why. `told` are the tags by our names; None where the row cannot be read."""

    file: str = ""
    line: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    note: str = ""
    told: dict[str, str] | None = None
    issue: ImportIssue | None = None

    def without_tags(self) -> "Row":
        """For those who must not read whom the tags name."""
        hidden = {name for name in map(self._names().get, TAGS) if name}
        columns = {name: text for name, text in self.columns.items() if name not in hidden}
        return Row(self.file, self.line, columns, "Its tags name somebody else, and are left out." if hidden else "")

    def _names(self) -> dict[str, str]:
        """FOCUS name → the file's own name for the column."""
        names = tuple(self.columns)
        return {name: names[index] for name, index in Header(names).positions.items()}

    def read(self) -> "Row":
        """With the tags, as the import read them: from the corrected row where it was corrected."""
        names = self._names()
        texts = self.columns | (self.issue.correction if self.issue else {})
        told = [read_tags(texts.get(names.get(name, ""), "")) for name in TAGS]
        return Row(self.file, self.line, self.columns, told=told[0] | told[1], issue=self.issue)


def row_of(charge: Charge) -> Row:
    """Copies of a charge, such as a reversal, have the row of their original."""
    if charge.file is None:
        return Row(note="It did not come with a file.")
    place = Row(charge.file.name, charge.line_number, issue=corrected(charge))
    try:
        columns = raw_row(charge.file, charge.line_number)
    except Refused as refusal:
        return Row(place.file, place.line, note=str(refusal), issue=place.issue)
    if not columns:
        return Row(place.file, place.line, note="The kept file has no such line.", issue=place.issue)
    return Row(place.file, place.line, columns, issue=place.issue).read()


def corrected(charge: Charge) -> ImportIssue | None:
    """The decision by which the row was loaded otherwise than it came; a later delivery repeats it."""
    of_row = ImportIssue.objects.filter(status=ImportIssue.Status.CORRECTED).select_related("decided_by")
    of_line = of_row.filter(focus_import=charge.loaded_by, file=charge.file, line_number=charge.line_number)
    return of_row.filter(charge=charge).first() or of_line.first()
