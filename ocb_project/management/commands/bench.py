from typing import Any

from django.core.management.base import CommandParser

from ocb_project.bench import bench
from ocb_project.bench.table import lines, place
from periods.commands import StageCommand


class Command(StageCommand):
    help = "Measure import and rendering on this machine, with a made-up month in temporary folders."
    takes_period = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rows", type=int, default=100_000, help="rows to import")
        parser.add_argument(
            "--statements",
            type=int,
            default=48,
            help="statements to render: no multiple of 5, so that each has all services",
        )
        parser.add_argument("--full", action="store_true", help="a million rows too")

    def run(self, *, rows: int, statements: int, full: bool, **options: Any) -> None:
        self.say(place())
        self.say("")
        for line in lines(bench(rows=rows, full=full, statements=statements)):
            self.say(line)
