from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from periods.commands import StageCommand
from periods.errors import Refused
from statements.customizing import KINDS, preview_template


class Command(StageCommand):
    help = "Make the newest document as the templates in OCB_HOME/templates/drafts would; send and keep nothing."
    takes_period = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=list(KINDS))
        parser.add_argument("--output", type=Path, required=True, metavar="FILE")

    def run(self, *, kind: str, output: Path, by: Any, **_: Any) -> None:
        made = preview_template(kind, by=by)
        try:
            output.write_bytes(made.content)
        except OSError as error:
            raise Refused(f"{output} cannot be written: {error.strerror}.") from error
        used = f" with {', '.join(made.drafts)} from the drafts" if made.drafts else "; no draft was found"
        self.say(f"{output}: {made.of}{used}.")
