"""What an error of the mail server says about the message: refused, refused for now, or perhaps delivered."""

from dataclasses import dataclass
from smtplib import SMTPNotSupportedError, SMTPRecipientsRefused, SMTPResponseException

from anymail.exceptions import AnymailAPIError, AnymailError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from statements.models import EmailDelivery

TEMPORARY_SMTP = range(400, 500)
REFUSED_SMTP = range(500, 600)
TEMPORARY_HTTP = {429, 503}
REFUSED_HTTP = range(400, 500)


@dataclass(frozen=True, slots=True)
class Outcome:
    status: EmailDelivery.Status
    error: str = ""


def outcome_of(error: Exception) -> Outcome:
    """Only a clear answer is an answer: whatever else happened, the message may have left."""
    return Outcome(_status(error), _words(error))


def _status(error: Exception) -> EmailDelivery.Status:
    if isinstance(error, SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return _smtp(min(codes))
    if isinstance(error, SMTPResponseException):
        return _smtp(error.smtp_code)
    if isinstance(error, AnymailAPIError):
        return EmailDelivery.Status.QUEUED if _has_never_left(error) else _http(error.status_code)
    # Before anything went out: a header or an address that no mail can carry
    if isinstance(error, ValueError | SMTPNotSupportedError | AnymailError):
        return EmailDelivery.Status.FAILED
    return EmailDelivery.Status.UNCLEAR


def _smtp(code: int) -> EmailDelivery.Status:
    if code in TEMPORARY_SMTP:
        return EmailDelivery.Status.QUEUED
    return EmailDelivery.Status.FAILED if code in REFUSED_SMTP else EmailDelivery.Status.UNCLEAR


def _http(code: int | None) -> EmailDelivery.Status:
    if code in TEMPORARY_HTTP:
        return EmailDelivery.Status.QUEUED
    return EmailDelivery.Status.FAILED if code in REFUSED_HTTP else EmailDelivery.Status.UNCLEAR


def _has_never_left(error: AnymailAPIError) -> bool:
    """No connection was made at all: the reason that urllib3 gives, inside the error of requests."""
    causes = getattr(error.__cause__, "args", ())
    return any(isinstance(getattr(cause, "reason", None), NewConnectionError | ConnectTimeoutError) for cause in causes)


def _words(error: Exception) -> str:
    if isinstance(error, SMTPRecipientsRefused):
        return "; ".join(_answer(*answer) for answer in error.recipients.values())
    if isinstance(error, SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"the mail server answered {code} {words}"
