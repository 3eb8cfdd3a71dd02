"""Settings of one installation. Everything that differs between installations comes from the environment."""

from pathlib import Path

from django.urls import reverse_lazy

from ocb_project import environment, mail_url
from ocb_project.environment import env
from ocb_project.navigation import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
OCB_HOME = environment.home(BASE_DIR)

# The institution
INSTITUTION_NAME = env.str("INSTITUTION_NAME", default="Research Computing")
INSTITUTION_ADDRESS = env.str("INSTITUTION_ADDRESS", default="")  # its lines, parted by semicolons
INSTITUTION_CONTACT = env.str("INSTITUTION_CONTACT", default="")
CURRENCY = environment.currency()
LOCALE = environment.locale()
MAIL_DOMAIN = environment.matching(
    "MAIL_DOMAIN", default="example.edu", pattern=r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}", example="university.edu"
)
LOGO = environment.file_in("LOGO", OCB_HOME / "templates", BASE_DIR / "templates")
PAGE_SIZE = environment.matching("PAGE_SIZE", default="Letter", pattern="Letter|A4", example="A4")
SITE_URL = environment.matching(
    "SITE_URL",
    default="http://127.0.0.1:8000",
    pattern=r"https?://[^\s/]+(/\S*)?",
    example="https://billing.university.edu",
)
REFERENCE_TAGS = environment.names("REFERENCE_TAGS", default=["grant_number", "request_id"], most=2)
PAYERS_CHOOSE_ACCOUNT = environment.boolean("PAYERS_CHOOSE_ACCOUNT", default=False)
FISCAL_YEAR_START = int(environment.matching("FISCAL_YEAR_START", default="7", pattern="[1-9]|1[0-2]", example="7"))
DISPUTE_DAYS = environment.whole_number("DISPUTE_DAYS", default=0)
# Ledger: the code where tag, account and source name none; the other side of a credit that names no source
DEFAULT_ACCOUNT_CODE = environment.matching("DEFAULT_ACCOUNT_CODE", default="", pattern=".{0,60}", example="54000")
ADJUSTMENT_ACCOUNT = environment.matching(
    "ADJUSTMENT_ACCOUNT", default="ADJUSTMENTS", pattern=".{1,100}", example="RC-ADJUSTMENTS"
)

# Adjustments of a larger amount due, whatever its sign, wait for the approval of a second person; None: none do
ADJUSTMENT_APPROVAL_ABOVE = environment.amount("ADJUSTMENT_APPROVAL_ABOVE")

# Duties that no person combines; see periods/duties.py
SEPARATE_CLOSER_FROM_FINALIZER = environment.boolean("SEPARATE_CLOSER_FROM_FINALIZER", default=False)
SEPARATE_AUTHOR_FROM_APPROVER = environment.boolean("SEPARATE_AUTHOR_FROM_APPROVER", default=False)
SEPARATE_IMPORTER_FROM_REVIEWER = environment.boolean("SEPARATE_IMPORTER_FROM_REVIEWER", default=False)

# Django
SECRET_KEY = environment.secret_key(OCB_HOME)
DEBUG = environment.boolean("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
DATABASES = {"default": environment.database(OCB_HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "ocb_project.urls"
WSGI_APPLICATION = "ocb_project.wsgi.application"
LANGUAGE_CODE = "en-us"
TIME_ZONE = environment.time_zone()
USE_TZ = True

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the default one would put its own admin site in place of ours
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "ocb_project.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "anymail",
    "import_export",
    "simple_history",
    "periods",
    "charges",
    "statements",
    "ocb_project.apps.ProjectConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "ocb_project.busy.BusyMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [OCB_HOME / "templates", BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # a small installation serves its own static files, with no collect step
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Secure unless DEBUG is on or the address is plain http on this machine
SECURE = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
BEHIND_PROXY = environment.boolean("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)  # whose address the limit on sign-in attempts counts
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SECURE else []
X_FRAME_OPTIONS = "SAMEORIGIN"  # the statement page shows its own PDF in a frame
SESSION_COOKIE_AGE = 12 * 3600

# Sign-in of PIs and delegates: a code by mail, no password, no sign-up
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "statements.portal.sign_in.MailedCodeBackend",
]
LOGIN_URL = "account_request_login_code"
LOGIN_REDIRECT_URL = reverse_lazy("portal:home")
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("portal:home")
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody can make this server mail a stranger
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_ADAPTER = "statements.portal.sign_in.PortalAdapter"
ACCOUNT_FORMS = {"request_login_code": "statements.portal.sign_in.RequestCodeForm"}

# Mail: to files by default, so that a trial never mails anyone
EMAIL_FILE_PATH = OCB_HOME / "mail"
_email, _provider = mail_url.email(environment.raw("EMAIL_URL"))
EMAIL_BACKEND = env.str(
    "EMAIL_BACKEND",
    default=_email["EMAIL_BACKEND"].replace("django.core.mail.backends.filebased", "ocb_project.file_mail"),
)
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = environment.address("FROM_EMAIL", default=f"research-billing@{MAIL_DOMAIN}")
REPLY_TO_EMAIL = environment.address("REPLY_TO_EMAIL", default="")
SEAL_RECIPIENTS = environment.addresses("SEAL_RECIPIENTS")
ANYMAIL = {
    # What a provider cannot do is left out: of all we ask for only its reports could be missed
    "IGNORE_UNSUPPORTED_FEATURES": True,
    **_provider,
    **environment.mapping("ANYMAIL"),
}
if WEBHOOK_SECRET := environment.webhook_secret("WEBHOOK_SECRET"):
    ANYMAIL["WEBHOOK_SECRET"] = WEBHOOK_SECRET
MAIL_DELEGATES = environment.boolean("MAIL_DELEGATES", default=False)
MAIL_ATTACHMENTS_MB = environment.whole_number("MAIL_ATTACHMENTS_MB", default=8)  # more than that is linked
MAIL_PER_MINUTE = environment.whole_number("MAIL_PER_MINUTE", default=0)  # 0: as fast as it goes
REMINDER_DAYS = environment.whole_number("REMINDER_DAYS", default=0)  # before the last day to object; 0: none

# Spreadsheets: without these codes any staff user could import and export
IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "add"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
IMPORT_EXPORT_USE_TRANSACTIONS = True

SILENCED_SYSTEM_CHECKS = ["security.W019"]  # X_FRAME_OPTIONS is SAMEORIGIN on purpose, see there

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
