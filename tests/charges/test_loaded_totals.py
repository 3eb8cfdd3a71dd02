"""Nothing is taken for loaded that the database does not hold to the last digit."""

from itertools import product

import pytest
from django.db import connection

from charges.importing import import_files
from charges.importing.loading.current import TotalsDiffer
from charges.models import Charge, FocusImport
from tests.charges.focus_files import focus_row, write_focus

pytestmark = pytest.mark.django_db

MEDDLE = {
    "sqlite": "CREATE TRIGGER meddle AFTER INSERT ON charges_charge BEGIN {}; END",
    "postgresql": """
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$;
        CREATE TRIGGER meddle AFTER INSERT ON charges_charge FOR EACH ROW EXECUTE FUNCTION meddle()
    """,
}


@pytest.fixture
def load(tmp_path):
    def load(what: str):
        with connection.cursor() as cursor:
            cursor.execute(MEDDLE[connection.vendor].format(what))
        rows = [focus_row(ResourceId=f"i-{n}", BilledCost=n, EffectiveCost=n) for n in (1, 2, 3)]
        import_files([write_focus(tmp_path / "a.csv", *rows)], source_name="aws")

    return load


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (
            "DELETE FROM charges_charge WHERE id = NEW.id AND resource_id = 'i-2'",
            "The number of charges differs from the rows of the delivery; nothing was loaded.",
        ),
        (
            "UPDATE charges_charge SET billed_cost = billed_cost + 1 WHERE id = NEW.id AND resource_id = 'i-2'",
            "BilledCost adds up to 6.000000001 USD, the delivery to 6.000000000.",
        ),
        (
            "UPDATE charges_charge SET billing_currency = 'EUR' WHERE id = NEW.id AND resource_id = 'i-2'",
            "BilledCost adds up to 4.000000000 USD, the delivery to 6.000000000.",
        ),
    ],
)
def test_what_the_database_does_not_hold_as_the_file_says_it_is_not_loaded(load, what, sentence):
    with pytest.raises(TotalsDiffer) as refusal:
        load(what)

    assert str(refusal.value) == sentence
    assert not Charge.objects.exists()
    assert FocusImport.objects.get().state == FocusImport.State.DISCARDED


def test_more_currencies_than_a_database_has_columns(tmp_path):
    codes = ["".join(letters) for letters in product("ABCDEFGH", repeat=3)]
    rows = [focus_row(ResourceId=code, BillingCurrency=code) for code in codes]

    import_files([write_focus(tmp_path / "a.csv", *rows)], source_name="aws")

    assert set(Charge.objects.current().values_list("billing_currency", flat=True)) == {*codes}
    assert len(codes) == 512
