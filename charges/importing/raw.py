"""A row as it was delivered, read back from the kept file: columns that a charge does not store are found there."""

from charges.importing.reading.opening import open_rows
from charges.importing.receiving import received_path
from charges.models import ReceivedFile


def raw_row(file: ReceivedFile, line: int) -> dict[str, str]:
    """Column → text. Empty where the file has no such line. Raises Refused for a file that is gone or damaged."""
    delivery = file.focus_import
    encoding = delivery.read_as.get("encoding", delivery.source.encoding)  # the setting may have changed since
    path, where = received_path(file), {"member": file.member, "encoding": encoding}
    with open_rows(path, file.name, **where, begin=line) as (header, chunks):
        for chunk in chunks:
            if chunk.lines[-1] >= line:
                cells = chunk.row(chunk.lines.index(line)) if line in chunk.lines else []
                return dict(zip(header.names, cells, strict=False))
    return {}
