from typing import Any

from django.db import transaction

from ocb_project.roles import sync_roles
from periods.commands import StageCommand


class Command(StageCommand):
    help = "Give the groups exactly the permissions that ocb_project/roles.py says; runs after every migrate too"
    takes_period = False

    @transaction.atomic
    def run(self, **_options: Any) -> None:
        for role in sync_roles():
            self.say(role)
