"""`python -m benchmarks.compliance`: a whole city's compliance, as a ratio to the token-only endpoint.

The city is the real one: 2,828 communities below 148 offices and 12 centers, a desk in each, with the kit standards of
the product, a shelf of 20 items in lots, and some months of issues. On PostgreSQL, one connection, calls in turns, so
that a drift of the machine meets both. `fresh` reads what the task assessed; `moved` has 20 stations whose stock moved
since, which are assessed anew in the call; `never assessed` finds nothing assessed at all.
"""

import csv
import random
import statistics
import time
from datetime import timedelta
from importlib.resources import files
from io import StringIO
from uuid import UUID

from sqlalchemy import delete, event, insert, update

from benchmarks.figures import note
from benchmarks.load import request_bytes, send
from benchmarks.people import signed_in
from benchmarks.server import gunicorn, migrated
from volunteer_api.accounts import service as accounts
from volunteer_api.app import create_app
from volunteer_api.catalog.kits import issue_template, template_items
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.templates import TEMPLATES, KitTemplate
from volunteer_api.compliance import refresh
from volunteer_api.compliance import service as compliance
from volunteer_api.compliance.models import StationAssessment
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.inventory.models import Movement, StockBalance, StockEntry
from volunteer_api.organizations import grants, service
from volunteer_api.organizations.divisions import import_divisions
from volunteer_api.organizations.models import Organization, OrganizationKind, Role, ScopeType
from volunteer_api.stations.models import Station

CALLS = 150
MOVED = 20
ISSUES = 8
CITY = "4104"


def main() -> None:
    """Build the city, then measure."""
    with migrated():
        app = create_app()
        with app.app_context():
            root, token = run_unit(build, writes=True)
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("ANALYZE")
            begun = time.perf_counter()
            run_unit(refresh.discover, writes=True)
            count = refresh.refresh_all()
            print(f"{count} stations assessed, alerts raised: {time.perf_counter() - begun:.1f} s")
            begun = time.perf_counter()
            run_unit(refresh.mark_all, writes=True)
            refresh.refresh_all()
            print(f"assessed again, nothing new: {time.perf_counter() - begun:.1f} s")
            print(f"SQL statements, fresh: {statements_of(root)}")
        with gunicorn() as port:
            path = f"/api/v1/organizations/{root}/compliance"
            measure(port, "fresh", path, token, CALLS)
            with app.app_context():
                run_unit(lambda: mark_some(MOVED), writes=True)
                print(f"SQL statements, moved: {statements_of(root)}")
            measure(port, "moved", path, token, CALLS)
            with app.app_context():
                run_unit(lambda: db.session.execute(delete(StationAssessment)), writes=True)
            measure(port, "never assessed", path, token, 5, warm=0)
            measure(
                port, "restock suggestions", f"/api/v1/restock-suggestions?organization_id={root}", token, 5, warm=0
            )


def measure(port: int, name: str, path: str, token: str, calls: int, warm: int = 40) -> None:
    """Print the median of some calls over that of as many token-only calls between them."""
    yardstick, measured = [], []
    base, asked = request_bytes("GET", "/token-only", token), request_bytes("GET", path, token)
    send(port, [base] * 40, connections=1)
    if warm:
        # Each of the workers' connections prepares a statement once it has seen it some times.
        send(port, [asked] * warm, connections=4)
    for _ in range(5):
        yardstick += send(port, [base] * max(calls // 5, 20), connections=1).latencies
        outcome = send(port, [asked] * (calls // 5), connections=1)
        assert outcome.statuses == {200: calls // 5}, outcome.statuses
        measured += outcome.latencies
    middle, least = statistics.median(measured), statistics.median(yardstick)
    print(f"{name}: p50 {middle * 1000:.1f} ms, token only {least * 1000:.2f} ms")
    note(f"compliance of a city, {name}, p50", middle / least, "× token only's", size="2,828 stations")


def statements_of(root: UUID) -> int:
    """How many statements the sum over the tree takes, without those that ask for the caller's right."""
    seen = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    db.session.rollback()
    organization = db.session.get_one(Organization, root)
    event.listen(db.engine, "before_cursor_execute", note)
    compliance.tree_compliance(organization, {})
    db.session.rollback()
    event.remove(db.engine, "before_cursor_execute", note)
    return len([one for one in seen if one.startswith(("SELECT", "WITH"))])


def build() -> tuple[UUID, str]:
    """The city with its desks and shelves, and the token of somebody who may read it all."""
    text = (files("volunteer_api.organizations.data") / "pingdingshan-divisions.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(StringIO(text)))
    import_divisions(rows)
    city = service.create_organization(
        parent_id=None, kind=OrganizationKind.CITY_OFFICE, name="市文明办", division_code=CITY
    )
    stations = []
    for row in rows:
        if row["level"] == "district":
            stations += service.build_network(row["code"], parent_id=city.id).stations
    keeper = accounts.create_volunteer(phone="+8613700000000", name="Auditor")
    db.session.flush()
    grants.grant(
        volunteer_id=keeper.id, role=Role.AUDITOR, scope_type=ScopeType.ORGANIZATION, scope_id=city.id, granted_by=None
    )
    for template in KitTemplate:
        issue_template(template, organization_id=city.id)
    fill(stations, keeper.id)
    return city.id, issue_access_token(signed_in(keeper.id))


def fill(organizations: list[Organization], keeper_id: UUID) -> None:
    """A desk for each community, its shelf after the standards, a few things missing, a few old, some issued."""
    chance = random.Random(4104)
    lines = [line for template in TEMPLATES.values() for line in template.lines]
    items = template_items(lines)
    desks, shelves, movements, entries = [], [], [], []
    now, today = clock.now(), clock.today()
    for number, organization in enumerate(organizations):
        desk = {
            "id": ids.new_id(),
            "code": f"B{number:05d}",
            "name": f"{organization.name}服务台",
            "kind": "desk",
            "organization_id": organization.id,
            "latitude": 33.7 + chance.random() / 2,
            "longitude": 113.1 + chance.random() / 2,
            "address": "建设路1号",
            "opening_hours": [],
            "services": [],
            "created_at": now - timedelta(days=400),
        }
        desks.append(desk)
        for line in lines:
            shelves += shelf_of(desk["id"], items[line.name], line.minimum, chance)
        for sequence in range(1, ISSUES + 1):
            item, moment = (
                items[chance.choice(["茶叶", "棉签", "无菌纱布"])],
                now - timedelta(days=chance.randrange(1, 85)),
            )
            movement_id = ids.new_id()
            movements.append(
                {
                    "id": movement_id,
                    "station_id": desk["id"],
                    "kind": "issue",
                    "reason": "handed_out",
                    "document_number": f"{desk['code']}-{sequence}",
                    "actor_id": keeper_id,
                    "occurred_at": moment,
                    "recorded_at": moment,
                }
            )
            entries.append(
                {
                    "movement_id": movement_id,
                    "station_id": desk["id"],
                    "item_id": item.id,
                    "quantity": -1,
                    "balance": 1,
                    "occurred_at": moment,
                    "sequence": sequence,
                    "expires_on": today,
                }
            )
    for model, made in ((Station, desks), (StockBalance, shelves), (Movement, movements), (StockEntry, entries)):
        for start in range(0, len(made), 2000):
            db.session.execute(insert(model), made[start : start + 2000])


def shelf_of(station_id: UUID, item: Item, minimum: int, chance: random.Random) -> list[dict[str, object]]:
    """One lot or two; of one item in twenty too little."""
    lots = []
    for lot in range(2 if item.kind == ItemKind.MEDICAL else 1):
        days = chance.choice([-5, 20, 200, 400, 500, 700]) if item.kind == ItemKind.MEDICAL else None
        lots.append(
            {
                "station_id": station_id,
                "item_id": item.id,
                "lot_number": f"L{lot}" if days else "",
                "portion": "",
                "quantity": 0 if chance.randrange(20) == 0 else minimum + 2,
                "expires_on": clock.today() + timedelta(days=days) if days else None,
                "on_loan": 0,
                "in_transit": 0,
            }
        )
    return lots


def mark_some(count: int) -> None:
    """As movements do."""
    chosen = db.session.query(StationAssessment.station_id).limit(count).scalar_subquery()
    db.session.execute(
        update(StationAssessment)
        .where(StationAssessment.station_id.in_(chosen))
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )


if __name__ == "__main__":
    main()
