"""What gunicorn loads. A bad environment is one line and exit code 2."""

import sys

from volunteer_api.app import create_app
from volunteer_api.config import BadEnvironment
from volunteer_api.core.framing import CompleteBody

try:
    app = create_app()
except BadEnvironment as error:
    sys.stderr.write(f"volunteer-api: {error}\n")
    sys.exit(2)
app.wsgi_app = CompleteBody(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way to wrap it
