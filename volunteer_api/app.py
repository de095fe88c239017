"""create_app() and FEATURES: the only module that sees everything."""

from types import ModuleType

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from volunteer_api.accounts import endpoints as accounts
from volunteer_api.accounts import handlers as account_handlers
from volunteer_api.accounts import tasks as account_tasks
from volunteer_api.accounts.senders import configure_outbox
from volunteer_api.accounts.sessions import SESSION_IS_OPEN
from volunteer_api.activities import endpoints as activities
from volunteer_api.activities import handlers as activity_handlers
from volunteer_api.activities import tasks as activity_tasks
from volunteer_api.attendance import endpoints as attendance
from volunteer_api.attendance import handlers as attendance_handlers
from volunteer_api.attendance import tasks as attendance_tasks
from volunteer_api.catalog import endpoints as catalog
from volunteer_api.catalog import handlers as catalog_handlers
from volunteer_api.certificates import endpoints as certificates
from volunteer_api.certificates import handlers as certificate_handlers
from volunteer_api.compliance import endpoints as compliance
from volunteer_api.compliance import handlers as compliance_handlers
from volunteer_api.compliance import tasks as compliance_tasks
from volunteer_api.config import PROJECT_DIRECTORY, Settings, load_settings
from volunteer_api.core import health, scrape
from volunteer_api.core.compression import configure_compression
from volunteer_api.core.database import configure_engine, db, engine_options
from volunteer_api.core.json_provider import OrjsonProvider
from volunteer_api.core.logs import configure_logs
from volunteer_api.core.openapi import configure_openapi
from volunteer_api.core.problems import register_problem_handlers
from volunteer_api.core.settings import EXTENSION
from volunteer_api.core.tasks import build_queue
from volunteer_api.core.tokens import configure_tokens
from volunteer_api.disputes import endpoints as disputes
from volunteer_api.disputes import handlers as dispute_handlers
from volunteer_api.disputes import tasks as dispute_tasks
from volunteer_api.feedback import endpoints as feedback
from volunteer_api.feedback import handlers as feedback_handlers
from volunteer_api.feedback import tasks as feedback_tasks
from volunteer_api.files import endpoints as files
from volunteer_api.files import handlers as file_handlers
from volunteer_api.files import tasks as file_tasks
from volunteer_api.files.stores import configure_store
from volunteer_api.hours import endpoints as hours
from volunteer_api.hours import handlers as hours_handlers
from volunteer_api.hours import tasks as hours_tasks
from volunteer_api.inventory import endpoints as inventory
from volunteer_api.inventory import handlers as inventory_handlers
from volunteer_api.inventory import tasks as inventory_tasks
from volunteer_api.loans import endpoints as loans
from volunteer_api.loans import handlers as loan_handlers
from volunteer_api.loans import tasks as loan_tasks
from volunteer_api.notifications import endpoints as notifications
from volunteer_api.notifications import handlers as notification_handlers
from volunteer_api.notifications import tasks as notification_tasks
from volunteer_api.notifications.providers import configure_providers
from volunteer_api.organizations import endpoints as organizations
from volunteer_api.organizations import handlers as organization_handlers
from volunteer_api.organizations import tasks as organization_tasks
from volunteer_api.phone import endpoints as phone
from volunteer_api.phone import handlers as phone_handlers
from volunteer_api.phone import tasks as phone_tasks
from volunteer_api.qualifications import endpoints as qualifications
from volunteer_api.qualifications import handlers as qualification_handlers
from volunteer_api.rankings import endpoints as rankings
from volunteer_api.rankings import handlers as ranking_handlers
from volunteer_api.rankings import tasks as ranking_tasks
from volunteer_api.sign_ups import endpoints as sign_ups
from volunteer_api.sign_ups import handlers as sign_up_handlers
from volunteer_api.sign_ups import tasks as sign_up_tasks
from volunteer_api.stations import endpoints as stations
from volunteer_api.stations import handlers as station_handlers
from volunteer_api.stocktakes import endpoints as stocktakes
from volunteer_api.stocktakes import handlers as stocktake_handlers
from volunteer_api.teams import endpoints as teams
from volunteer_api.teams import handlers as team_handlers
from volunteer_api.teams import tasks as team_tasks
from volunteer_api.transfers import endpoints as transfers
from volunteer_api.transfers import handlers as transfer_handlers
from volunteer_api.transfers import tasks as transfer_tasks

# The law: a feature imports only core and what stands before it here. import-linter's contract is tested against it.
FEATURES = (
    files,
    accounts,
    notifications,
    organizations,
    teams,
    stations,
    catalog,
    inventory,
    loans,
    stocktakes,
    transfers,
    compliance,
    qualifications,
    activities,
    sign_ups,
    hours,
    certificates,
    attendance,
    disputes,
    feedback,
    rankings,
    phone,
)
# What stands at the root beside the contract's base: pages for whoever scans a code without the app.
PAGES = (teams.pages, stations.pages, loans.pages, certificates.pages, attendance.pages, rankings.pages, phone.pages)
# Named so that their declarations are read before the queue is built.
TASKS = (
    file_tasks,
    account_tasks,
    notification_tasks,
    organization_tasks,
    inventory_tasks,
    team_tasks,
    activity_tasks,
    sign_up_tasks,
    transfer_tasks,
    loan_tasks,
    compliance_tasks,
    hours_tasks,
    attendance_tasks,
    dispute_tasks,
    feedback_tasks,
    ranking_tasks,
    phone_tasks,
)
# Named so that they hear of what features to their left publish.
HANDLERS: tuple[ModuleType, ...] = (
    file_handlers,
    account_handlers,
    notification_handlers,
    organization_handlers,
    team_handlers,
    station_handlers,
    catalog_handlers,
    inventory_handlers,
    loan_handlers,
    stocktake_handlers,
    transfer_handlers,
    compliance_handlers,
    qualification_handlers,
    activity_handlers,
    sign_up_handlers,
    hours_handlers,
    certificate_handlers,
    attendance_handlers,
    dispute_handlers,
    feedback_handlers,
    ranking_handlers,
    phone_handlers,
)


def create_app(settings: Settings | None = None) -> Flask:
    """The application, for gunicorn, commands and tests. Raises BadEnvironment."""
    settings = settings or load_settings()
    app = Flask("volunteer_api", static_folder=None)
    app.json = OrjsonProvider(app)
    app.extensions[EXTENSION] = settings
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    configure_logs(app, settings)
    configure_tokens(app, settings, SESSION_IS_OPEN)
    configure_outbox(app, settings)
    configure_providers(app, settings)
    configure_store(app, settings)
    db.init_app(app)
    with app.app_context():
        configure_engine(app)
    Migrate(app, db, directory=str(PROJECT_DIRECTORY / "migrations"), render_as_batch=True)
    api = configure_openapi(app)
    # After flask-smorest, which registers a handler of its own.
    register_problem_handlers(app)
    for feature in FEATURES:
        api.register_blueprint(feature.blueprint)
    for pages in PAGES:
        api.register_blueprint(pages)
    health.register(app, api)
    scrape.register(app)
    configure_compression(app)
    build_queue(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # Flask's own way to wrap it
    return app
