from django.urls import path

from statements.portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("statements/<int:number>/", views.statement, name="statement"),
    path("statements/<int:number>/pdf/", views.pdf, name="pdf"),
    path("projects/", views.projects, name="projects"),
]
