"""Files that people uploaded: saved by a browser, never shown, since nobody knows what is in them."""

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from charges.models.attachment import Attachment


def download(attachment: Attachment) -> HttpResponse:
    """The bytes as they were kept. Raises Refused where they are not."""
    response = HttpResponse(attachment.read(), content_type=attachment.content_type)
    disposition = content_disposition_header(as_attachment=True, filename=attachment.name)
    response.headers["Content-Disposition"] = disposition or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
