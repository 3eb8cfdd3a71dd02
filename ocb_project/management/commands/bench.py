from typing import Any

from django.core.management.base import CommandParser

from ocb_project.bench import bench
from periods.commands import StageCommand


class Command(StageCommand):
    help = "Measure import and rendering on this machine, with a made-up month on SQLite in a temporary folder."
    takes_period = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rows", type=int, default=20_000, help="rows to import")
        parser.add_argument("--statements", type=int, default=20, help="statements to render")

    def run(self, *, rows: int, statements: int, **options: Any) -> None:
        for label, value in bench(rows=rows, statements=statements).lines():
            self.say(f"{label:<40}{value}")
