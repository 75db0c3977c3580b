"""The healthcheck: the page must answer, which needs the database."""

import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=2) as answer:
    sys.exit(0 if answer.status == 200 else 1)
