from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from ocb_project.access_pages import access_csv, access_page
from ocb_project.template_pages import template_preview, templates_page
from ocb_project.webhooks import webhook_urls

admin.autodiscover()

urlpatterns = [
    path("admin/access/", access_page, name="access"),
    path("admin/access.csv", access_csv, name="access_csv"),
    path("admin/templates/", templates_page, name="templates"),
    path("admin/templates/<str:kind>/preview/", template_preview, name="template_preview"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("portal/icon.svg"))),  # what browsers ask for unbidden
    *webhook_urls(),
    path("sign-in/", include("statements.portal.sign_in_urls")),
    path("", include("statements.portal.urls")),
]
