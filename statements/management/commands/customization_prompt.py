from typing import Any

from django.core.management.base import CommandParser

from periods.commands import StageCommand
from statements.customizing import KINDS, customization_prompt


class Command(StageCommand):
    help = "Print a text for a coding assistant that makes a template the institution's own."
    takes_period = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=list(KINDS), nargs="?", default="statement")

    def run(self, *, kind: str, by: Any, **_: Any) -> None:
        self.say(customization_prompt(kind, by=by))
