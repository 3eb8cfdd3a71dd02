"""System checks, and the production settings that pass them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocb_project import checks

PRODUCTION = {
    "INSTITUTION_NAME": "Larkspur University",
    "MAIL_DOMAIN": "larkspur.edu",
    "EMAIL_URL": "smtp+tls://billing:secret@smtp.larkspur.edu:587",
    "SITE_URL": "https://billing.larkspur.edu",
    "BEHIND_PROXY": "on",
    "ALLOWED_HOSTS": "billing.larkspur.edu",
    "SECRET_KEY": "k9!vQz7#mW2xR5tY8uB1nC4dF6gH3jL0pS-aE_oI+wK=xZ%rT^yU&cV*bN(mX)qP",
}


def deploy(home: Path, **values: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = {"PATH": os.environ["PATH"], "OCB_HOME": str(home), **values}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_production_settings_pass_the_deployment_check(tmp_path):
    done = deploy(tmp_path, **PRODUCTION)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_trial_installation_is_told_what_is_missing(tmp_path):
    done = deploy(tmp_path)

    ours = [line.partition(") ")[2] for line in done.stderr.splitlines() if "openchargeback" in line]
    assert done.returncode == 1
    assert ours == [
        "INSTITUTION_NAME is the default: it heads every statement.",
        "MAIL_DOMAIN is the default: tags without @ would name nobody.",
        "EMAIL_URL is not set: mail goes to files, not to people.",
        "SITE_URL is not https: sign-in would travel in the clear.",
    ]


def test_https_without_a_proxy_is_told_of(tmp_path):
    done = deploy(tmp_path, **{**PRODUCTION, "BEHIND_PROXY": "off"})

    ours = [line for line in done.stderr.splitlines() if "openchargeback" in line]
    assert done.returncode == 1
    assert ours == [
        "?: (openchargeback.W005) SITE_URL is https and BEHIND_PROXY is off: every page would redirect to itself."
    ]


def test_debug_beyond_this_machine_is_an_error(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["billing.larkspur.edu"]

    assert [error.id for error in checks.debug_is_local()] == ["openchargeback.E003"]


def test_debug_on_this_machine_is_fine(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["127.0.0.1", "localhost"]

    assert checks.debug_is_local() == []


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("IMPORT_EXPORT_IMPORT_PERMISSION_CODE", "openchargeback.E001"),
        ("IMPORT_EXPORT_EXPORT_PERMISSION_CODE", "openchargeback.E002"),
    ],
)
def test_spreadsheets_without_a_permission_are_an_error(settings, name, error):
    setattr(settings, name, None)

    assert [found.id for found in checks.spreadsheet_permissions()] == [error]


def test_pages_are_loaded_with_their_addresses_alone():
    """What a command of cron does without: half of its start, and 30 MB."""
    loaded = "print(sorted(name for name in sys.modules if name in ('charges.admin', 'openpyxl')))"
    program = f"import sys, django; django.setup(); {loaded}; import ocb_project.urls; {loaded}"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "ocb_project.settings"}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", "['charges.admin', 'openpyxl']"]
