"""A PI signs in with a real browser: the code from the mail folder, the statement, its PDF, and out again."""

import email
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import url_matches
from selenium.webdriver.support.wait import WebDriverWait

from charges.models import Dispute
from periods import storage
from statements.models import ArchivedDocument, Statement
from statements.portal.sign_in import user_of
from tests.make import make_charge, make_line, make_pi, make_project, make_statement
from tests.statements.sealed import make_current

DRIVER = Path("/usr/bin/chromedriver")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
PDF = b"%PDF-1.7\narchived bytes\n%%EOF\n"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DRIVER.exists(), reason=f"Chromium is absent: {DRIVER} does not exist"),
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def statement(settings) -> Statement:
    settings.EMAIL_BACKEND = "ocb_project.file_mail.EmailBackend"
    cache.clear()
    pi, project = make_pi(name="Ada Lovelace"), make_project(name="Analytical Engine")
    statement = make_statement(pi=pi, project=project, list_amount="2400", due_amount="0")
    make_line(statement, list_amount="2400", due_amount="0", funder="Office of the Provost")
    make_charge(pi=pi, project=project, list_amount="2400", due_amount="0")
    kept = storage.keep([PDF], folder="statements", suffix=".pdf")
    ArchivedDocument.objects.create(
        period=statement.period, kind="statement", statement=statement, template="t", path=kept.path,
        size=kept.size, sha256=kept.sha256,
    )  # fmt: skip
    return statement


def test_pi_signs_in_with_a_mailed_code_and_reads_a_statement(browser, live_server, statement, home):
    browser.get(f"{live_server.url}/")
    type_into(browser, "email", "Ada@example.edu")
    type_into(browser, "code", code_in(home / "mail"))
    browser.find_element(By.LINK_TEXT, "Analytical Engine").click()
    assert browser.current_url == f"{live_server.url}/statements/{statement.number}/"
    figures = [figure.text for figure in browser.find_elements(By.CSS_SELECTOR, ".figures dd")]
    assert figures == ["$2,400.00", "−$2,400.00", "$0.00"]
    assert pdf_bytes(browser) == PDF.decode()
    browser.find_element(By.XPATH, "//button[text()='Sign out']").click()
    WebDriverWait(browser, 10).until(url_matches("/sign-in/"))
    assert complaints(browser) == []


def type_into(browser: Chrome, name: str, text: str) -> None:
    field = browser.find_element(By.NAME, name)
    field.send_keys(text)
    address = browser.current_url
    field.submit()
    WebDriverWait(browser, 10).until(lambda shown: shown.current_url != address)


def code_in(folder: Path) -> str:
    (file,) = folder.glob("*.eml")
    text = email.message_from_bytes(file.read_bytes()).get_payload(decode=True).decode()
    return re.findall(r"^ {4}(\S+)$", text, re.MULTILINE)[0]


def pdf_bytes(browser: Chrome) -> str:
    link = browser.find_element(By.LINK_TEXT, "Open the PDF").get_attribute("href")
    fetch = "const done = arguments[1]; fetch(arguments[0]).then(r => r.text()).then(done)"
    return browser.execute_async_script(fetch, link)


def complaints(browser: Chrome) -> list[str]:
    """What the browser had to say, such as a style that the content security policy forbids."""
    return [entry["message"] for entry in browser.get_log("browser")]


def test_pi_disputes_a_charge_with_a_file(browser, live_server, statement, tmp_path):
    make_current(statement)
    log = tmp_path / "jobs.csv"
    log.write_text("job,user\n4711,grace\n")
    browser.get(f"{live_server.url}/favicon.ico")
    browser.add_cookie({"name": "sessionid", "value": signed_in(statement.pi.email)})

    browser.get(f"{live_server.url}/statements/{statement.number}/#charges")
    browser.find_element(By.CSS_SELECTOR, "#charges ~ table").find_element(By.LINK_TEXT, "Dispute").click()
    browser.find_element(By.NAME, "files").send_keys(str(log))
    type_into(browser, "text", "These jobs are of another group.")

    dispute = Dispute.objects.get()
    assert browser.current_url == f"{live_server.url}/disputes/{dispute.pk}/"
    assert browser.find_element(By.CSS_SELECTOR, ".head .state").text == "Open"
    assert [item.text.split("\n")[1:] for item in browser.find_elements(By.CSS_SELECTOR, ".thread li")] == [
        ["These jobs are of another group.", "jobs.csv 20 bytes"]
    ]
    browser.get(f"{live_server.url}/statements/{statement.number}/")
    assert [mark.get_attribute("href") for mark in browser.find_elements(By.LINK_TEXT, "In dispute")] == [
        f"{live_server.url}/disputes/{dispute.pk}/"
    ]
    assert complaints(browser) == []


def signed_in(address: str) -> str:
    """The key of a session that a mailed code opened."""
    client = Client()
    client.force_login(user_of(address), backend="statements.portal.sign_in.MailedCodeBackend")
    return client.cookies["sessionid"].value
