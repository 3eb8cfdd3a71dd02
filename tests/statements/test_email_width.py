"""Mail on the screen of a telephone."""

import pytest

from tests.make import make_fund, make_line
from tests.statements.mail_server import make_rendered, send, server
from tests.test_browser_portal import DRIVER, browser

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DRIVER.exists(), reason=f"Chromium is absent: {DRIVER} does not exist"),
]
__all__ = ["browser", "server"]
TELEPHONE = {"width": 390, "height": 2000, "deviceScaleFactor": 1, "mobile": False}


def test_long_names_and_codes_are_broken_rather_than_wider_than_the_screen(server, browser, tmp_path):
    statement = make_rendered(
        pi_name="W" * 200, project="x" * 100, list_amount="123456789.12", due_amount="98765432.10"
    )
    make_line(statement, list_amount="0", due_amount="5", funding_account=make_fund("F" * 90))
    send()
    page = tmp_path / "mail.html"
    page.write_text(server.accepted[0][1].get_body(("html",)).get_content())

    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", TELEPHONE)
    browser.get(page.as_uri())

    wide, seen = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert wide == seen
