"""What all commands share: PERIOD, `--by`, `--json`, exit codes 0 done, 1 refused, 2 bad usage."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError

from periods import calendar
from periods.errors import Refused, in_words
from periods.models import BillingPeriod


class StageCommand(BaseCommand):
    """A thin door to one stage function: subclasses write `run`, which raises Refused to exit 1."""

    run: Callable[..., None]
    takes_period = True
    period_is_optional = False
    requires_system_checks = ()  # cron runs often; `check` and start-up run them

    def add_arguments(self, parser: CommandParser) -> None:
        if self.takes_period:
            parser.add_argument(
                "period",
                type=month,
                nargs="?" if self.period_is_optional else None,
                metavar="PERIOD",
                help="YYYY-MM, current or previous",
            )
        parser.add_argument("--by", metavar="USERNAME", help="who does it (default: cron)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["by"] = _user(options["by"])
            if self.takes_period and options["period"] is not None:
                options["period"] = BillingPeriod.objects.of_month(options["period"])
            self.run(**options)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        except (OperationalError, ProgrammingError) as error:
            sentence = in_words(error)
            if sentence is None:
                raise
            raise CommandError(sentence) from error

    def say(self, text: str) -> None:
        self.stdout.write(text)

    def say_json(self, value: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(value, indent=2))


def month(text: str) -> str:
    """An argparse type: a wrong period is bad usage, exit 2."""
    try:
        return calendar.parse_month(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _user(username: str | None) -> Any:
    if username is None:
        return None
    user = get_user_model()._default_manager.filter(username=username, is_active=True).first()
    if user is None:
        raise Refused(f"There is no active user {username!r}.")
    return user
