"""How much memory the pages of a Parquet file take: a few bytes may unpack to gigabytes, and are unpacked whole.

pyarrow tells the sizes of whole columns only, as the file claims them, and a wrong claim about a column ends the process.
So the table of contents is read here, and what pages unpack to, which stands before each of them: structs in Thrift's
compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), their fields by
number as in https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from typing import IO, Any

ROW_GROUPS = 4  # of FileMetaData
COLUMNS, ROWS = 1, 3  # of RowGroup
COLUMN_METADATA = 3  # of ColumnChunk
PACKED_COLUMN, DATA_START, DICTIONARY_START = 7, 9, 11  # of ColumnMetaData
KIND, UNPACKED, PACKED = 1, 2, 3  # of PageHeader
DICTIONARY = 2  # a kind of page
TRUE, FALSE, BYTE, SHORT, INT, LONG, DOUBLE, BINARY, LIST, SET, _, STRUCT = range(1, 13)
WIDTHS = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}
DEEPEST = 16  # structs and lists in each other
MANY = 15  # elements of a list: their number follows
WIDEST = 63  # bits of a number
END = 8  # bytes: how long the table of contents before them is, and a mark


def memory(source: IO[bytes]) -> int:
    """Bytes that reading takes at most: all columns of a row group at a time, of each its dictionary and a page.

    Raises ValueError where no page is.
    """
    source.seek(-END, 2)
    source.seek(-END - int.from_bytes(source.read(4), "little"), 2)
    try:
        groups = [group[COLUMNS] for group in _struct(source)[ROW_GROUPS] if group[ROWS]]  # none has no page either
        return max((sum(_of_column(source, chunk[COLUMN_METADATA]) for chunk in group) for group in groups), default=0)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("no table of contents") from error


def _of_column(source: IO[bytes], column: dict[int, Any]) -> int:
    start = column[DATA_START]
    if 0 < column.get(DICTIONARY_START, 0) < start:
        start = column[DICTIONARY_START]
    source.seek(start)
    dictionary = most = 0
    while source.tell() < start + column[PACKED_COLUMN]:
        header = _struct(source)
        if min(header[UNPACKED], header[PACKED]) < 0:
            raise ValueError
        if header[KIND] == DICTIONARY:
            dictionary += header[UNPACKED]
        else:
            most = max(most, header[UNPACKED])
        source.seek(header[PACKED], 1)
    return dictionary + most


def _struct(source: IO[bytes], depth: int = 0) -> dict[int, Any]:
    """Its numbers, structs and lists of either by field; nobody asks for the rest. No field twice: which would count?"""
    fields: dict[int, Any] = {}
    field = 0
    while head := _byte(source):
        field = field + (head >> 4) if head >> 4 else _number(source)
        if field in fields:
            raise ValueError
        kind = head & 15
        fields[field] = None if kind in (TRUE, FALSE) else _value(source, kind, depth)
    return fields


def _value(source: IO[bytes], kind: int, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError
    if kind in (SHORT, INT, LONG):
        return _number(source)
    if kind == STRUCT:
        return _struct(source, depth + 1)
    if kind in (LIST, SET):
        head = _byte(source)
        length = head >> 4 if head >> 4 < MANY else _varint(source)
        if width := WIDTHS.get(head & 15):  # skipped at once: a few bytes may claim more than there is time for
            source.seek(length * width, 1)
            return None
        elements = (_value(source, head & 15, depth + 1) for _ in range(length))
        return [element for element in elements if element is not None]
    if kind != BINARY and kind not in WIDTHS:
        raise ValueError
    source.seek(_varint(source) if kind == BINARY else WIDTHS[kind], 1)
    return None


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
