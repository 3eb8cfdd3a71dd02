from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.models.signals import post_migrate


class AdminConfig(SimpleAdminConfig):
    """Its pages are loaded with the addresses: a command of cron does without, and starts in half the time."""

    default_site = "ocb_project.admin_site.ChargebackAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


class ProjectConfig(AppConfig):
    name = "ocb_project"
    verbose_name = "OpenChargeback"

    def ready(self) -> None:
        from ocb_project import checks, roles  # noqa: F401, PLC0415 - models exist only from here on

        post_migrate.connect(roles.after_migrate, sender=installed.get_app_config("statements"))


def _check_pages(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    admin.autodiscover()
    return check_admin_app(app_configs, **options)
