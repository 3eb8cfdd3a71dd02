from django.urls import path

from statements.portal import accounts, disputes, tracing, views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("statements/<int:number>/", views.statement, name="statement"),
    path("statements/<int:number>/pdf/", views.pdf, name="pdf"),
    path("statements/<int:number>/charges/", views.charges, name="charges"),
    path("statements/<int:number>/charge/<int:charge>/", tracing.charge, name="charge"),
    path("statements/<int:number>/line/<int:line>/", tracing.line, name="line"),
    path("statements/<int:number>/line/<int:line>/account/", accounts.choose, name="account"),
    path("statements/<int:number>/charge/<int:charge>/dispute/", disputes.dispute_charge, name="dispute_charge"),
    path("statements/<int:number>/line/<int:line>/dispute/", disputes.dispute_line, name="dispute_line"),
    path("disputes/", disputes.disputes, name="disputes"),
    path("disputes/<int:number>/", disputes.dispute, name="dispute"),
    path("disputes/<int:number>/message/", disputes.write, name="write"),
    path("disputes/<int:number>/withdraw/", disputes.withdraw, name="withdraw"),
    path("disputes/<int:number>/file/<int:file>/", disputes.file, name="file"),
    path("projects/", views.projects, name="projects"),
]
