from django.apps import AppConfig
from django.apps import apps as installed
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.db.models.signals import post_migrate


class AdminConfig(DjangoAdminConfig):
    default_site = "ocb_project.admin_site.ChargebackAdminSite"


class ProjectConfig(AppConfig):
    name = "ocb_project"
    verbose_name = "OpenChargeback"

    def ready(self) -> None:
        from ocb_project import checks, roles  # noqa: F401, PLC0415 - models exist only from here on

        post_migrate.connect(roles.after_migrate, sender=installed.get_app_config("statements"))
