"""What a delivery did, or would do, in lines for a terminal, a log, or a mail from cron."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from charges.importing.delivery import Delivery
from periods.blockers import counted

MOST = 10  # projects, flags and rows that are named


def in_words(delivery: Delivery) -> list[str]:
    if delivery.is_repeated:
        return [f"Nothing to do: {delivery.focus_import or 'an earlier import'} holds the same files already."]
    return [
        *_counts(delivery),
        *_totals(delivery),
        *_projects(delivery.change_set),
        *_flags(delivery),
        *late_in_words(delivery.late_months),
        *_issues(delivery),
        *(f"Note: {warning}" for warning in delivery.warnings),
        *([would_be_refused(delivery)] if delivery.doubt else []),
    ]


def would_be_refused(delivery: Delivery) -> str:
    return f"It would be refused: {delivery.doubt} Use --force if that is right."


def late_in_words(late_months: list[dict[str, Any]]) -> list[str]:
    """Of closed months: what differs from what they hold, and where it went."""
    return [
        f"{late['month']} is closed, and {counted(late['rows'], 'row differs', 'rows differ')} from what it holds "
        f"(list {signed(late['list'])}, due {signed(late['due'])} {late['currency']}): "
        + (f"the difference goes to {late['to']}." if late["to"] else "kept, not loaded. Load it with --late-to.")
        for late in late_months
    ]


def _counts(delivery: Delivery) -> Iterator[str]:
    verb = "loaded" if delivery.focus_import else "would load"
    late = f", {delivery.late:,} of closed months not loaded" if delivery.late else ""
    where = f"{', '.join(delivery.periods)} {delivery.source}".strip()
    yield (
        f"{where}: {delivery.rows:,} {'row' if delivery.rows == 1 else 'rows'}, {verb} {delivery.loaded:,} ({delivery.flagged:,} held for review), "
        f"{delivery.quarantined:,} in quarantine{late}."
    )
    yield (
        f"Against what was there: {delivery.added:,} new, {delivery.changed:,} changed, "
        f"{delivery.removed:,} gone, {delivery.unchanged:,} unchanged."
    )


def _totals(delivery: Delivery) -> Iterator[str]:
    for currency, columns in delivery.totals.items():
        sums = ", ".join(f"{column} {total['file']}" for column, total in sorted(columns.items()))
        yield f"Totals of the files in {currency}: {sums}."


def _projects(change_set: list[dict[str, Any]]) -> Iterator[str]:
    for change in change_set[:MOST]:
        yield (
            f"  {change['project'] or 'no project'}: {counted(change['rows'], 'row', 'rows')} new or changed, "
            f"{change.get('gone', 0):,} changed or gone, "
            f"list {signed(change['list'])}, due {signed(change['due'])} {change['currency']}"
        )
    if len(change_set) > MOST:
        yield f"  and {counted(len(change_set) - MOST, 'more project', 'more projects')}."


def _flags(delivery: Delivery) -> Iterator[str]:
    if delivery.flags:
        flags = ", ".join(f"{label} ({rows:,})" for label, rows in delivery.flags_in_words)
        yield f"Held among the new and changed rows: {flags}."


def _issues(delivery: Delivery) -> Iterator[str]:
    for issue in delivery.issues[:MOST]:
        yield f"  {issue.file} line {issue.line_number}: {issue.sentence}" + (
            f" It says “{issue.raw_value[:60]}”." if issue.raw_value else ""
        )
    more = delivery.quarantined - len(delivery.issues[:MOST])
    if delivery.issues and more > 0:
        yield f"  and {counted(more, 'more row', 'more rows')} in quarantine."
    if delivery.issues and delivery.focus_import:
        yield "Correct or discard them in the admin under Quarantine."


def signed(amount: str) -> str:
    return f"{Decimal(amount):+,.2f}"
