"""What stands at the root beside the contract: is it alive, is it ready, and what does it speak."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, render_template_string
from flask_swagger_ui import get_swaggerui_blueprint

from volunteer_api.config import PROJECT_DIRECTORY
from volunteer_api.core import clock, limits, listing
from volunteer_api.core.database import db, has_wal_reset_bug, library_version
from volunteer_api.core.openapi import LateApi
from volunteer_api.core.problems import Problem
from volunteer_api.core.tasks import failing, worker_last_seen
from volunteer_api.core.unit_of_work import run_unit

API = "volunteer_api.api"
# A night's longest check holds the sweep, and its sign of life, for some minutes.
WORKER_IS_GONE = timedelta(minutes=15)
# The pages of /docs come from a package and ask no other host; nothing of theirs may be framed.
DOCS_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'"
)


Check = Callable[[], str | None]
_warnings: list[Check] = [limits.warn_of_lost_counters]


def warning(check: Check) -> Check:
    """Decorate what a feature has to say on `/readyz`: a sentence for whoever runs the server, or None."""
    _warnings.append(check)
    return check


class MigrationsMissing(Problem):
    status = 503
    title = "The database is not at the version that this server needs."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"Retry-After": "5"}, **values)


def register(app: Flask, api: LateApi) -> None:
    """Add `/livez`, `/readyz`, `/openapi.json`, `/docs` and `/docs/problems`."""
    app.extensions[API] = api
    health = Blueprint("health", __name__)

    @health.get("/livez")
    def read_liveness() -> dict[str, str]:
        return {"status": "alive"}

    @health.get("/readyz")
    def read_readiness() -> dict[str, Any]:
        return run_unit(_readiness, writes=False)

    @health.get("/openapi.json")
    def read_openapi() -> Response:
        return Response(openapi_text(app), content_type="application/json")

    @health.get("/docs/problems")
    def list_problems() -> str:
        return render_template_string(listing.PAGE, sections=listing.sections())

    docs = get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": "Volunteer API", "validatorUrl": None})
    docs.after_request(_protect_docs)
    health.after_request(_protect_docs)
    app.register_blueprint(health)
    app.register_blueprint(docs)


def openapi_text(app: Flask) -> bytes:
    """The contract as the application has it; see `LateApi.text`."""
    api: LateApi = app.extensions[API]
    return api.text()


@cache
def migration_head() -> str | None:
    """The revision that the code needs."""
    return ScriptDirectory(str(PROJECT_DIRECTORY / "migrations")).get_current_head()


def _readiness() -> dict[str, Any]:
    """Raises Unavailable where the database is gone, MigrationsMissing where it is older or newer than the code."""
    if MigrationContext.configure(db.session.connection()).get_current_heads() != (migration_head(),):
        raise MigrationsMissing()
    seen = worker_last_seen()
    warnings = []
    if has_wal_reset_bug(db.engine):
        warnings.append("This SQLite library can corrupt a database in WAL mode; install pysqlite3 0.6 or newer.")
    if seen is None:
        warnings.append("No worker was ever seen: notifications and clean-up wait for `volunteer-api worker`.")
    elif seen > clock.now() + WORKER_IS_GONE:
        warnings.append(f"A worker was seen at {seen:%Y-%m-%dT%H:%M:%SZ}, which has not come: is the clock right?")
    elif seen < clock.now() - WORKER_IS_GONE:
        warnings.append(f"No worker was seen since {seen:%Y-%m-%dT%H:%M:%SZ}: is `volunteer-api worker` running?")
    if failed := failing():
        warnings.append(f"Background work failed when it last ran, see the worker's log: {', '.join(failed)}.")
    warnings += [sentence for check in _warnings if (sentence := check()) is not None]
    return {
        "status": "ready",
        "database": library_version(db.engine),
        "worker_last_seen_at": clock.stamp(seen) if seen else None,
        "warnings": warnings,
    }


def _protect_docs(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = DOCS_POLICY
    return response
