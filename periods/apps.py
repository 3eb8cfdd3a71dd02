from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class PeriodsConfig(AppConfig):
    name = "periods"
    verbose_name = "Billing periods"

    def ready(self) -> None:
        autodiscover_modules("blockers")
