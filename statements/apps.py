from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate, pre_migrate


class StatementsConfig(AppConfig):
    name = "statements"
    verbose_name = "Statements"

    def ready(self) -> None:
        from statements.guards import upkeep  # noqa: PLC0415 - models exist only from here on

        register(upkeep.guards_stand, Tags.database)
        pre_migrate.connect(upkeep.before_migrate, sender=self)
        post_migrate.connect(upkeep.after_migrate, sender=self)
