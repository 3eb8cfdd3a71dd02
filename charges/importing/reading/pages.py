"""How much memory the pages of a Parquet file take: a few bytes may unpack to gigabytes, and are unpacked whole.

pyarrow tells the sizes of whole columns only, and as the file claims them. What it unpacks by stands before each page:
a struct in Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md)
whose second field is the unpacked size and whose third the packed one.
"""

from typing import IO, Any

KIND, UNPACKED, PACKED = 1, 2, 3  # fields of a PageHeader
DICTIONARY = 2  # a kind of page
TRUE, FALSE, BYTE, SHORT, INT, LONG, DOUBLE, BINARY, LIST, SET, _, STRUCT = range(1, 13)
WIDTHS = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}
DEEPEST = 8  # structs in structs
MANY = 15  # elements of a list: their number follows
WIDEST = 63  # bits of a number


def memory(source: IO[bytes], metadata: Any) -> int:
    """Bytes that reading takes at most: all columns of a row group at a time, of each its dictionary and a page.

    Raises ValueError where no page is.
    """
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    return max(
        (sum(_of_column(source, group.column(at)) for at in range(group.num_columns)) for group in groups), default=0
    )


def _of_column(source: IO[bytes], column: Any) -> int:
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    source.seek(start)
    dictionary = most = 0
    while source.tell() < start + column.total_compressed_size:
        header = _struct(source)
        if header.get(KIND) == DICTIONARY:
            dictionary += header[UNPACKED]
        else:
            most = max(most, header[UNPACKED])
        source.seek(header[PACKED], 1)
    return dictionary + most


def _struct(source: IO[bytes], depth: int = 0) -> dict[int, int]:
    """The numbers among its fields."""
    if depth > DEEPEST:
        raise ValueError
    numbers: dict[int, int] = {}
    field = 0
    while head := _byte(source):
        field = field + (head >> 4) if head >> 4 else _number(source)
        kind = head & 15
        if kind in (SHORT, INT, LONG):
            numbers[field] = _number(source)
        elif kind not in (TRUE, FALSE):
            _skip(source, kind, depth)
    if depth == 0 and min(numbers.get(UNPACKED, -1), numbers.get(PACKED, -1)) < 0:
        raise ValueError
    return numbers


def _skip(source: IO[bytes], kind: int, depth: int) -> None:
    if kind in (SHORT, INT, LONG):
        _varint(source)
    elif kind == BINARY:
        source.seek(_varint(source), 1)
    elif kind in (LIST, SET):
        head = _byte(source)
        for _ in range(head >> 4 if head >> 4 < MANY else _varint(source)):
            _skip(source, head & 15, depth)
    elif kind == STRUCT:
        _struct(source, depth + 1)
    elif kind in WIDTHS:
        source.seek(WIDTHS[kind], 1)
    else:
        raise ValueError


def _number(source: IO[bytes]) -> int:
    value = _varint(source)
    return (value >> 1) ^ -(value & 1)


def _varint(source: IO[bytes]) -> int:
    value = shift = 0
    while (byte := _byte(source)) & 128:
        value, shift = value | (byte & 127) << shift, shift + 7
        if shift > WIDEST:
            raise ValueError
    return value | byte << shift


def _byte(source: IO[bytes]) -> int:
    byte = source.read(1)
    if not byte:
        raise ValueError
    return byte[0]
