from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sign-in/", include("statements.portal.sign_in_urls")),
    path("", include("statements.portal.urls")),
]
