from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from charges.money import printed, total
from ocb_project import demo
from periods.calendar import in_words
from periods.commands import StageCommand
from periods.models import BillingPeriod
from statements.models import ArchivedDocument, Statement


class Command(StageCommand):
    help = (
        "Make three months of a made-up university: one sealed, one closed with its statements, one open to play with."
    )
    takes_period = False

    def run(self, **options: Any) -> None:
        if not demo.make_demo(say=self.say):
            self.say("The demo was made before; nothing was changed.")
        period = BillingPeriod.objects.of_month(demo.WALKED)
        self._table(period)
        self._places(period)

    def _table(self, period: BillingPeriod) -> None:
        statements = list(Statement.objects.current().filter(period=period).order_by("project_code"))
        self._row(str(period), "List price", "Discounts", "Amount due")
        for statement in statements:
            self._amounts(statement.project_code, [statement])
        self._amounts("together", statements)

    def _amounts(self, label: str, statements: list[Statement]) -> None:
        list_price = total([statement.list_amount for statement in statements])
        due = total([statement.due_amount for statement in statements])
        self._row(label, *(_text(amount) for amount in (list_price, due - list_price, due)))

    def _row(self, label: str, *cells: str) -> None:
        self.say(f"  {label:<20}" + "".join(f"{cell:>14}" for cell in cells))

    def _places(self, period: BillingPeriod) -> None:
        pdfs = ArchivedDocument.objects.filter(period=period, kind=ArchivedDocument.Kind.STATEMENT).count()
        mails = len(list(Path(settings.EMAIL_FILE_PATH).glob("*.eml")))
        self.say(f"\n{pdfs} PDFs  {Path(settings.OCB_HOME) / 'statements'}")
        self.say(f"{mails} mails  {settings.EMAIL_FILE_PATH}")
        self.say(f"{in_words(demo.OPEN)} is open, with charges to review and a file to import:")
        self.say(f"  .venv/bin/python manage.py import_focus {demo.LEFT_TO_THE_READER} --source azure")
        self.say(f"Admin   {settings.SITE_URL}/admin/  as admin, password {demo.password_file().read_text()}")
        self.say(f"Portal  {settings.SITE_URL}/  as mira.holloway@example.edu; the code arrives in the mail folder")


def _text(amount: Decimal) -> str:
    return printed(amount, settings.CURRENCY)
