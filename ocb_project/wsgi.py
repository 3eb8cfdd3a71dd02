import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocb_project.settings")
application = get_wsgi_application()

from ocb_project import urls  # noqa: E402, F401 - now, and not while the first visitor waits
