"""A page instead of a database error, for those who write while somebody else does, or to a disk that is full."""

from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from periods.errors import in_words


class BusyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        sentence = in_words(exception) if isinstance(exception, OperationalError) else None
        return render(request, "503.html", {"sentence": sentence}, status=503) if sentence else None
