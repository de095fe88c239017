"""Thousands of activities at once, for what only shows among many."""

import random
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event, insert, text

from tests.activities.factories import Scene, make_scene
from tests.factories import unit_of
from volunteer_api.activities.models import Activity, ActivityGram, ActivityText, Shift, ShiftRole
from volunteer_api.activities.search_text import fold, grams_of
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization

WHAT = ("清洁", "巡查", "慰问", "宣讲", "义诊", "植树", "助学", "劝导")
WHERE = ("湛河", "河西社区", "矿工路", "建设路", "东高皇", "五一路")


def rows_of(number: int, scene: Scene, path_id: Any, *, past: int = 0) -> dict[Any, list[dict[str, Any]]]:
    """Rows of `number` published activities in one city; `past` of a hundred are over."""
    chance, now = random.Random(7), clock.now()
    found: dict[Any, list[dict[str, Any]]] = {
        model: [] for model in (Activity, Shift, ShiftRole, ActivityText, ActivityGram)
    }
    for one in range(number):
        activity_id, title = ids.new_id(), f"{chance.choice(WHERE)}{chance.choice(WHAT)}第{one}次"
        over = chance.randrange(100) < past
        found[Activity].append(
            {
                "id": activity_id,
                "title": title,
                "category": "environment_protection",
                "organization_id": scene.office_id,
                "organization_path_id": path_id,
                "latitude": chance.gauss(33.75, 0.1),
                "longitude": chance.gauss(113.3, 0.1),
                "state": "published",
                "published_at": now,
                "created_by": scene.organizer_id,
                "outcomes": [],
                "recipients": [],
            }
        )
        start = now + timedelta(minutes=-5000 if over else chance.randrange(60, 40_000))
        shift_id = ids.new_id()
        times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
        found[Shift].append({"id": shift_id, "activity_id": activity_id, "capacity": 20} | times)
        if one % 3 == 0:
            found[ShiftRole].append({"shift_id": shift_id, "name": "讲解", "capacity": 2})
        folded = f"{fold(title)}\n五一路街道实践所"
        found[ActivityText].append({"activity_id": activity_id, "text": folded, "names": ""})
        found[ActivityGram] += [{"gram": gram, "activity_id": activity_id} for gram in grams_of(folded)]
    return found


def make_crowd(app: Flask, number: int, **options: Any) -> Scene:
    """Fill the database, and let the planner know."""

    def build() -> Scene:
        scene = make_scene()
        db.session.flush()
        path_id = db.session.get_one(Organization, scene.office_id).path_id
        for model, rows in rows_of(number, scene, path_id, **options).items():
            db.session.execute(insert(model), rows)
        if db.engine.dialect.name == "postgresql":
            # SQLite would keep what it counted for later tests, in connections that don't look again.
            db.session.execute(text("ANALYZE"))
        return scene

    made: Scene = unit_of(app)(build)
    return made


def plans_of(app: Flask, call: Callable[[], Any]) -> list[tuple[str, str]]:
    """Each SELECT of activities that the call sent, with the database's plan for it."""
    seen: list[tuple[str, Any]] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    with _listening(engine, note):
        call()
    prefix = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        return [
            (statement, "\n".join(str(row) for row in connection.exec_driver_sql(prefix + statement, parameters)))
            for statement, parameters in seen
            if statement.startswith("SELECT") and "activit" in statement
        ]


@contextmanager
def _listening(engine: Any, note: Any) -> Any:
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)
