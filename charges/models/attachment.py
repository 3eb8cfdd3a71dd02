"""A file that somebody added to a decision: kept by the hash of its bytes, given out as a download only."""

from typing import ClassVar

from django.db import models

from periods import storage
from periods.errors import Refused


class Attachment(models.Model):
    name = models.CharField(max_length=150)
    content_type = models.CharField(max_length=100)
    path = models.CharField(max_length=300, help_text="Within OCB_HOME")
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField()

    class Meta:
        abstract = True
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes:
        """The bytes as they were kept; the only way to them. Raises Refused where they are not."""
        content = storage.read(self.path, self.sha256)
        if content is None:
            raise Refused(f"The file {self.name} is missing or not what was kept.")
        return content
