"""State machines of documents. Only this module and `lifecycle` know which library runs them."""

from collections.abc import Collection
from typing import Any

from django.db import models
from django_fsm import ConcurrentTransitionMixin, FSMField, FSMModelMixin, transition

__all__ = ["Document", "StateField", "known_states", "transition"]


class StateField(FSMField):
    """A state that only transitions change. Migrations see a CharField, so that the library stays replaceable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("protected", True)
        kwargs.setdefault("max_length", 16)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("protected", None)
        return name, "django.db.models.CharField", args, kwargs


class StateSaves(ConcurrentTransitionMixin, FSMModelMixin):
    """A save that lost a race raises instead of overwriting; the name that migrations know the library by."""


class Document(StateSaves, models.Model):
    """A model with a life of its own: a `state`, and transitions run by `lifecycle.run_transition`."""

    class Meta:
        abstract = True

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Validate all but the state, whose protection refuses the assignment that validation makes."""
        states = {field.name for field in self._meta.concrete_fields if isinstance(field, StateField)}
        super().clean_fields(exclude={*(exclude or ()), *states})


def known_states(states: list[str], name: str, field: str = "state") -> models.CheckConstraint:
    """The database's own list of the states: `update()` and raw SQL pass the library by."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": states}), name=name)
