"""What people write into spreadsheets, and how it is read: amounts, days, months, and rows by their names."""

import re
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar

from import_export import fields, resources, widgets
from import_export.results import Error, Result, RowResult

from charges.models import Charge
from charges.money import parse_amount
from periods.spreadsheets import FORMULA

NEW, CHANGED, SAME = RowResult.IMPORT_TYPE_NEW, RowResult.IMPORT_TYPE_UPDATE, RowResult.IMPORT_TYPE_SKIP
SHOWN = 50  # rows of a preview
NUMBER = re.compile(r"[0-9]{1,18}")


class AmountWidget(widgets.Widget):
    """An exact amount: never through a float, never with a currency sign or thousands separators."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal:
        if value in (None, ""):
            return Decimal(0)
        try:
            return parse_amount(str(value).strip())
        except ValueError as error:
            raise ValueError(f"{value!r} is {error}.") from error

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value in (None, "") else f"{Decimal(value).normalize():f}"


class DayWidget(widgets.DateWidget):
    """2026-12-31 and a spreadsheet's own dates. What 03/04/2026 means, its author alone knows."""

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            return super().clean(value.strip() if isinstance(value, str) else value, row, **kwargs)
        except ValueError as error:
            raise ValueError(f"{value!r} is no date as 2026-12-31 is one.") from error


class ChargeWidget(widgets.ForeignKeyWidget):
    """A charge by its number, which the review list shows."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return None
        charge = Charge.objects.filter(pk=text).first() if NUMBER.fullmatch(text) else None
        if charge is None:
            raise ValueError(f"There is no charge {text!r}.")
        return charge


class NamedWidget(widgets.ForeignKeyWidget):
    """A row named by what people write, or what it was merged into; an unknown name is refused in a sentence."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        try:
            found = super().clean(str(value).strip() if value else value, row, **kwargs)
            return getattr(found, "standing", found)
        except self.model.DoesNotExist as error:
            raise ValueError(f"There is no {self.model._meta.verbose_name} {value!r}.") from error


class MonthWidget(NamedWidget):
    """A month as 2026-11, which spreadsheets like to make a date of."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        return super().clean(f"{value:%Y-%m}" if isinstance(value, date) else value, row, **kwargs)


def named(name: str, model: Any, key: str, column: str = "") -> fields.Field:
    return fields.Field(attribute=name, column_name=column or name, widget=NamedWidget(model, key))


class Changes(Result):
    """For the preview: what would change, and the first of it. Thousands of rows on a page show nothing."""

    def summary(self) -> str:
        new, changed, same = (self.totals[kind] for kind in (NEW, CHANGED, SAME))
        return f"{new:,} new, {changed:,} changed, {same:,} as they are"

    def headings(self) -> list[str]:
        return [name.replace("_", " ").capitalize() for name in self.diff_headers]

    def first(self) -> list[RowResult]:
        return list(islice((row for row in self.rows if row.import_type in (NEW, CHANGED)), SHOWN))

    def further(self) -> str:
        number = self.totals[NEW] + self.totals[CHANGED] - SHOWN
        return f"… and {number:,} more" if number > 0 else ""


class Told(Error):
    """For people: where in the code it was noticed is nothing to them."""

    traceback = ""


class Spreadsheet(resources.ModelResource):
    """Text that a spreadsheet would run as a formula leaves with an apostrophe before it, and comes back without."""

    WIDGETS_MAP: ClassVar = {**resources.ModelResource.WIDGETS_MAP, "DateField": DayWidget}

    @classmethod
    def get_result_class(cls) -> type[Result]:
        return Changes

    @classmethod
    def get_error_result_class(cls) -> type[Error]:
        return Told

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Columns are told whatever their case. Raises ValueError where the first line names none that is needed."""
        super().before_import(dataset, **kwargs)
        dataset.headers = [str(name or "").strip().casefold().replace(" ", "_") for name in dataset.headers or []]
        needed = [self.fields[name].column_name for name in self.get_import_id_fields() if name != "id"]
        if missing := [name for name in needed if name not in dataset.headers]:
            del dataset[:]  # of rows that nothing is known about there is no more to say
            known = ", ".join(field.column_name for field in self.get_import_fields())
            raise ValueError(f"The first line names no column “{', '.join(missing)}”. Columns are: {known}.")

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        value = super().export_field(field, instance, **kwargs)
        is_formula = isinstance(value, str) and value.startswith(FORMULA)
        return f"'{value}" if is_formula and not isinstance(field.widget, AmountWidget) else value

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        for column, value in row.items():
            if isinstance(value, str) and value.startswith("'") and value[1:].startswith(FORMULA):
                row[column] = value[1:]
            elif type(value) is int:  # of a spreadsheet that takes a code for a number
                row[column] = str(value)
