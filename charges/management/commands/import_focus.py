import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from charges.importing import import_files
from charges.importing.progress import Progress
from charges.importing.summary import in_words, would_be_refused
from periods.commands import StageCommand, month

BAR = "{percentage:3.0f}%|{bar}| {n:,} rows [{elapsed}, {remaining} left, {rate_fmt}]"
SELDOM = (100_000, 50, 50)  # garbage in cycles is next to nothing here


class Command(StageCommand):
    help = "Import FOCUS files as one delivery of a source. Running it again with the same files changes nothing."
    takes_period = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("files", nargs="+", metavar="FILE", help="a file, a folder (searched downwards), a pattern")
        parser.add_argument("--source", required=True, metavar="NAME", help="who delivers; made on first use")
        parser.add_argument("--period", type=month, metavar="YYYY-MM", help="put all rows there, whatever they say")
        parser.add_argument("--late-to", type=month, metavar="YYYY-MM", help="the open month for late differences")
        parser.add_argument(
            "--force", action="store_true", help="load although rows or total fell, or accounts came or went"
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count; change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, *, files: list[str], source: str, period: str | None, by: Any, **options: Any) -> None:
        gc.freeze()  # all that is loaded by now stays: to search it again and again costs a tenth of a large import
        gc.set_threshold(*SELDOM)
        with _bar(is_shown=not options["json"]) as progress:
            delivery = import_files(
                files,
                source_name=source,
                period=period,
                late_to=options["late_to"],
                force=options["force"],
                dry_run=options["dry_run"],
                by=by,
                progress=progress,
            )
        if options["json"]:
            self.say_json(delivery.as_json())
            if delivery.doubt:
                self.stderr.write(would_be_refused(delivery))
        else:
            self.say("\n".join(in_words(delivery)))


@contextmanager
def _bar(*, is_shown: bool) -> Iterator[Progress]:
    """On a terminal only. How many rows there will be is reckoned from those read so far, and shown as a share."""
    with tqdm(unit=" rows", unit_scale=True, bar_format=BAR, disable=None if is_shown else True, leave=False) as bar:

        def tell(rows: int, share: float) -> None:
            bar.total = round(rows / share) if share else None
            bar.update(rows - bar.n)

        yield tell
