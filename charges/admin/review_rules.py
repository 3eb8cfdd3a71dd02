"""Formats of fund codes and patterns over names, each with a test of what is typed."""

from typing import ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_POST
from unfold.decorators import display

from charges.admin.display import table
from charges.admin.reference import HistoryAdmin
from charges.admin.reviewing import RecheckOffered
from charges.flags.trying import Tried, try_format, try_pattern
from charges.models import ReviewRule
from charges.models.rules import validate_pattern

Kind = ReviewRule.Kind


@admin.register(ReviewRule)
class ReviewRuleAdmin(RecheckOffered, HistoryAdmin):
    list_display: ClassVar = ["kind", "pattern", "source", "is_active"]
    list_select_related: ClassVar = ["source"]
    fields: ClassVar = ["kind", "pattern", "test", ("source", "is_active")]
    readonly_fields: ClassVar = ["test"]

    class Media:
        js: ClassVar = ["ocb/pattern_test.js"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("test/", view, name="charges_reviewrule_test"), *super().get_urls()]

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """What the pattern matches as it is typed."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        return HttpResponse(_tried(request.POST.get("kind", ""), request.POST.get("pattern", "")))

    @display(description="Test")
    def test(self, rule: ReviewRule) -> str:
        """Of a rule that is saved, at once."""
        return format_html(
            '<button type="button" class="ocb-button" data-test="{}">Test what is typed</button>'
            '<div id="pattern-test" aria-live="polite" class="ocb-tested">{}</div>',
            reverse("admin:charges_reviewrule_test"),
            _tried(rule.kind, rule.pattern) if rule.pk else "Nothing is saved by it.",
        )


def _tried(kind: str, pattern: str) -> str:
    if kind not in Kind.values or not pattern:
        return "Choose what the rule is about, and write a pattern."
    try:
        validate_pattern(pattern)
    except ValidationError as error:
        return format_html("{}", " ".join(error.messages))
    found = try_format(pattern) if kind == Kind.FUND_FORMAT else try_pattern(pattern)
    return format_html_join("", "{}", ((_table(tried),) for tried in found))


def _table(tried: Tried) -> str:
    rows = [(name, ", ".join(f"{part}: {value}" for part, value in parts.items())) for name, parts in tried.first]
    if tried.number > len(rows):
        rows.append((f"… and {tried.number - len(rows):,} more", ""))
    return table([f"{tried.heading} ({tried.number:,})", ""], rows)
