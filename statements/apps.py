from anymail.signals import tracking as tracked
from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate, pre_migrate


class StatementsConfig(AppConfig):
    name = "statements"
    verbose_name = "Statements"

    def ready(self) -> None:
        from statements.emailing import tracking  # noqa: PLC0415 - models exist only from here on
        from statements.guards import upkeep  # noqa: PLC0415

        register(upkeep.guards_stand, Tags.database)
        pre_migrate.connect(upkeep.before_migrate, sender=self)
        post_migrate.connect(upkeep.after_migrate, sender=self)
        # The library's way to hand over what a provider's webhook reports: no signal of a model
        tracked.connect(tracking.receive)
