"""Settings are read when the process starts, so each test starts one."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ocb_project import mail_url
from tests.surroundings import OURS

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "pB7-x_Q2mZ9vLk4RtY8wHs3NcJ6dFg1aEo5uTi0XyVbKqMnPzRsWhC",
    "SITE_URL": "https://billing.larkspur.edu",
    "ALLOWED_HOSTS": "billing.larkspur.edu",
    "INSTITUTION_NAME": "Larkspur University",
    "INSTITUTION_CONTACT": "billing@larkspur.edu",
    "MAIL_DOMAIN": "larkspur.edu",
    "EMAIL_URL": "smtp+tls://billing:secret@mail.larkspur.edu:587",
    "TIME_ZONE": "America/Chicago",
    "BEHIND_PROXY": "on",
}


EMAIL_URL = (
    "EMAIL_URL is not usable: set it to filemail://, to smtp+tls://user:password@mail.university.edu:587, or to the key "
    "of a provider, as in postmark://KEY (amazon-ses, brevo, mailersend, mailgun, mailjet, mailtrap, mandrill, postal, "
    "postmark, resend, scaleway, sendgrid, sparkpost, unisender-go)."
)


def start(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "OCB_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def read(name: str, *, home: Path, **environment: str) -> str:
    script = f"from ocb_project import settings; print(settings.{name})"
    done = start("-c", script, home=home, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DEBUG", "maybe", "DEBUG is 'maybe': set it to on or off."),
        ("BEHIND_PROXY", "2", "BEHIND_PROXY is '2': set it to on or off."),
        ("DISPUTE_DAYS", "-3", "DISPUTE_DAYS is '-3': set it to a whole number, 0 or more."),
        (
            "ADJUSTMENT_APPROVAL_ABOVE",
            "$500",
            "ADJUSTMENT_APPROVAL_ABOVE is '$500': set it to an amount such as 500 or 499.99, or to nothing.",
        ),
        ("CURRENCY", "dollars", "CURRENCY is 'dollars': set it to an ISO 4217 code such as USD."),
        ("LOCALE", "xx_QQ", "LOCALE is 'xx_QQ': set it to a value such as en_US."),
        ("TIME_ZONE", "Mars", "TIME_ZONE is 'Mars': set it to a name such as America/Chicago."),
        ("MAIL_DOMAIN", "campus", "MAIL_DOMAIN is 'campus': set it to a value such as university.edu."),
        ("SITE_URL", "billing", "SITE_URL is 'billing': set it to a value such as https://billing.university.edu."),
        (
            "SECRET_KEY",
            "abc",
            "SECRET_KEY has fewer than 50 characters: set a long random one, or none to have it made.",
        ),
        (
            "EMAIL_URL",
            "smtps://me:pass@host:port",
            EMAIL_URL,
        ),
        ("EMAIL_URL", "carrierpigeon://coo", EMAIL_URL),
        ("EMAIL_URL", "postmark://", EMAIL_URL),
        ("EMAIL_URL", "mailjet://key@", EMAIL_URL),
        (
            "EMAIL_URL",
            "amazon-ses://us-east-1",
            "EMAIL_URL names amazon-ses, which needs a package: pip install boto3.",
        ),
        (
            "WEBHOOK_SECRET",
            "short",
            "WEBHOOK_SECRET is not usable: set it to a name, a colon and 16 random letters or more.",
        ),
        ("FROM_EMAIL", "foo", "FROM_EMAIL is 'foo': set it to an address such as billing@university.edu."),
        ("REPLY_TO_EMAIL", "foo", "REPLY_TO_EMAIL is 'foo': set it to an address such as billing@university.edu."),
        (
            "SEAL_RECIPIENTS",
            "finance@university.edu,foo",
            "SEAL_RECIPIENTS is 'foo': set it to an address such as billing@university.edu,audit@university.edu.",
        ),
        ("REFERENCE_TAGS", "a,b,c", "REFERENCE_TAGS has 3 entries: set it to 2 at most, separated by commas."),
        ("ANYMAIL", "{key", "ANYMAIL is no JSON: set it to an object such as {}."),
        ("ANYMAIL", "[1]", "ANYMAIL is no JSON object: set it to an object such as {}."),
        (
            "DATABASE_URL",
            "mysql://root@host/billing",
            (
                "DATABASE_URL (scheme 'mysql') is not usable: set it to sqlite:////path/to/db.sqlite3 "
                "or postgres://user:password@host:5432/name."
            ),
        ),
    ],
)
def test_start_stops_with_a_sentence_for_a_wrong_value(tmp_path, name, value, sentence):
    done = start("-c", "import ocb_project.settings", home=tmp_path, **{name: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"django.core.exceptions.ImproperlyConfigured: {sentence}"


def test_start_stops_with_a_sentence_where_home_is_a_file(tmp_path):
    file = tmp_path / "taken"
    file.touch()
    done = start("-c", "import ocb_project.settings", home=file)
    assert done.stderr.splitlines()[-1] == (
        f"django.core.exceptions.ImproperlyConfigured: OCB_HOME is {str(file)!r}, which cannot be used "
        "(File exists): set it to a folder that this user may write."
    )


@pytest.mark.parametrize("name", ["absent.svg", "../outside.svg"])
def test_start_stops_with_a_sentence_where_the_logo_is_not_in_the_template_folders(tmp_path, name):
    (tmp_path / "outside.svg").touch()
    done = start("-c", "import ocb_project.settings", home=tmp_path, LOGO=name)
    assert done.stderr.splitlines()[-1] == (
        f"django.core.exceptions.ImproperlyConfigured: LOGO is {name!r}: "
        f"put a file of that name into {tmp_path / 'templates'}, or unset it."
    )


def test_logo_sender_and_reference_tags_are_taken_as_given(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/logo.svg").touch()
    assert read("LOGO", home=tmp_path, LOGO="logo.svg") == "logo.svg"
    sender = "Research Billing <billing@larkspur.edu>"
    assert read("DEFAULT_FROM_EMAIL", home=tmp_path, FROM_EMAIL=sender) == sender
    assert read("REFERENCE_TAGS", home=tmp_path, REFERENCE_TAGS="grant, ticket") == "['grant', 'ticket']"


@pytest.mark.parametrize("command", ["check", "migrate", "period_status"])
def test_a_command_says_the_sentence_and_nothing_else(tmp_path, command):
    done = start("manage.py", command, home=tmp_path, CURRENCY="dollars")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "CURRENCY is 'dollars': set it to an ISO 4217 code such as USD.\n",
    )


def test_secret_key_is_generated_once_for_its_owner_alone(tmp_path):
    first = read("SECRET_KEY", home=tmp_path)
    assert len(first) > 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert read("SECRET_KEY", home=tmp_path) == first


def test_secret_key_of_the_environment_is_not_written_down(tmp_path):
    given = PRODUCTION["SECRET_KEY"]
    assert read("SECRET_KEY", home=tmp_path, SECRET_KEY=given) == given
    assert list(tmp_path.iterdir()) == []


def test_debug_is_off_and_mail_goes_to_files_by_default(tmp_path):
    assert read("DEBUG", home=tmp_path) == "False"
    assert read("EMAIL_BACKEND", home=tmp_path) == "ocb_project.file_mail.EmailBackend"
    assert read("EMAIL_FILE_PATH", home=tmp_path) == str(tmp_path / "mail")


def test_sqlite_takes_the_write_lock_at_the_start_of_a_transaction(tmp_path):
    assert read("DATABASES['default']['OPTIONS']['transaction_mode']", home=tmp_path) == "IMMEDIATE"


def test_deployment_check_passes_with_production_values(tmp_path):
    done = start("manage.py", "check", "--deploy", "--fail-level", "WARNING", home=tmp_path, **PRODUCTION)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "System check identified no issues (1 silenced).\n",
        "",
    )


def test_deployment_check_fails_over_plain_http(tmp_path):
    done = start(
        "manage.py", "check", "--deploy", "--fail-level", "WARNING", home=tmp_path,
        **{**PRODUCTION, "SITE_URL": "http://billing.larkspur.edu"},
    )  # fmt: skip
    assert done.returncode == 1


def test_operating_page_lists_every_variable():
    source = (ROOT / "ocb_project/settings.py").read_text() + (ROOT / "ocb_project/environment.py").read_text()
    read_names = set(re.findall(r'(?:env\.\w+|environment\.\w+|boolean|matching|whole_number)\(\s*"([A-Z_]+)"', source))
    page = (ROOT / "docs/operating.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == read_names
    assert {*OURS.split(), "OCB_HOME", "DATABASE_URL"} == read_names  # what a test run leaves out of its environment


@pytest.mark.parametrize(
    ("url", "backend", "expected"),
    [
        ("postmark://Tok-EN", "postmark", {"POSTMARK_SERVER_TOKEN": "Tok-EN"}),
        (
            "mailgun://key-1@mg.larkspur.edu",
            "mailgun",
            {"MAILGUN_API_KEY": "key-1", "MAILGUN_SENDER_DOMAIN": "mg.larkspur.edu"},
        ),
        (
            "mailgun://key-1@mg.larkspur.edu?webhook_signing_key=sign&api_url=https://api.eu.mailgun.net/v3",
            "mailgun",
            {
                "MAILGUN_API_KEY": "key-1",
                "MAILGUN_SENDER_DOMAIN": "mg.larkspur.edu",
                "MAILGUN_WEBHOOK_SIGNING_KEY": "sign",
                "MAILGUN_API_URL": "https://api.eu.mailgun.net/v3",
            },
        ),
        ("mailjet://key:s%2Fcret@", "mailjet", {"MAILJET_API_KEY": "key", "MAILJET_SECRET_KEY": "s/cret"}),
        (
            "postal://key@postal.larkspur.edu",
            "postal",
            {"POSTAL_API_KEY": "key", "POSTAL_API_URL": "https://postal.larkspur.edu"},
        ),
        ("sendgrid://SG.x", "sendgrid", {"SENDGRID_API_KEY": "SG.x"}),
    ],
)
def test_a_provider_is_named_by_the_address_of_mail(url, backend, expected):
    assert mail_url.email(url) == ({"EMAIL_BACKEND": f"anymail.backends.{backend}.EmailBackend"}, expected)


@pytest.mark.parametrize("module", sorted({provider.module for provider in mail_url.PROVIDERS.values()}))
def test_every_provider_is_one_that_the_library_has(module):
    assert find_spec(f"anymail.backends.{module}") is not None


@pytest.mark.parametrize(
    ("url", "tls", "ssl"),
    [
        ("smtp://mail.larkspur.edu:25", None, None),
        ("smtp+tls://mail.larkspur.edu:587", True, None),
        ("smtps://mail.larkspur.edu:465", False, True),
        ("smtp+ssl://mail.larkspur.edu:465", False, True),
    ],
)
def test_the_scheme_and_port_of_a_mail_server_say_how_it_encrypts(url, tls, ssl):
    found, _ = mail_url.email(url)

    assert (found.get("EMAIL_USE_TLS"), found.get("EMAIL_USE_SSL")) == (tls, ssl)


def test_the_secret_of_webhooks_reaches_the_library(tmp_path):
    secret = "postmark:0123456789abcdef"
    assert secret in read("ANYMAIL", home=tmp_path, EMAIL_URL="postmark://key", WEBHOOK_SECRET=secret)
