"""The environment of every test run, made before Django reads its settings: a developer's own is left alone.

Loaded with `-p` in pyproject.toml, because pytest-django reads the settings before any conftest.
"""

import atexit
import os
import shutil
import tempfile

OURS = """
    SECRET_KEY DEBUG ALLOWED_HOSTS SITE_URL BEHIND_PROXY INSTITUTION_NAME INSTITUTION_CONTACT LOGO PAGE_SIZE CURRENCY
    LOCALE TIME_ZONE MAIL_DOMAIN EMAIL_URL EMAIL_BACKEND ANYMAIL FROM_EMAIL REPLY_TO_EMAIL SEAL_RECIPIENTS DISPUTE_DAYS REFERENCE_TAGS
    INSTITUTION_ADDRESS FISCAL_YEAR_START PAYERS_CHOOSE_ACCOUNT
    WEBHOOK_SECRET MAIL_DELEGATES MAIL_ATTACHMENTS_MB MAIL_PER_MINUTE REMINDER_DAYS
    DEFAULT_ACCOUNT_CODE ADJUSTMENT_ACCOUNT ADJUSTMENT_APPROVAL_ABOVE
    SEPARATE_CLOSER_FROM_FINALIZER SEPARATE_AUTHOR_FROM_APPROVER SEPARATE_IMPORTER_FROM_REVIEWER
"""

for name in OURS.split():
    os.environ.pop(name, None)
os.environ["OCB_HOME"] = tempfile.mkdtemp(prefix="ocb-test-")
atexit.register(shutil.rmtree, os.environ["OCB_HOME"], ignore_errors=True)
