"""The only pages of allauth that exist here. Names that it reverses by itself lead to the code page."""

from allauth.account.views import confirm_login_code, logout, request_login_code
from django.urls import path
from django.views.generic import RedirectView

from statements.portal.pages import guarded

urlpatterns = [
    path("", guarded(request_login_code), name="account_request_login_code"),
    path("code/", guarded(confirm_login_code), name="account_confirm_login_code"),
    path("out/", guarded(logout), name="account_logout"),
    path("login/", RedirectView.as_view(pattern_name="account_request_login_code"), name="account_login"),
]
