"""Folded names come to items that are there already, double ones among them."""

from uuid import UUID

from flask import Flask
from sqlalchemy import inspect, text

from tests.factories import unit_of
from tests.inventory.factories import make_item
from tests.servers import migrate
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import change_item
from volunteer_api.core.database import db

BEFORE = "2026_11_27_3_feedback_leaders"


def test_items_that_are_one_article_stay_apart(own_app: Flask) -> None:
    unit = unit_of(own_app)
    first, second = unit(lambda: [make_item(name=name) for name in ("纱布（大）", "另一个")])
    unit(lambda: change_item(db.session.get_one(Item, first), name="创可贴（100片）"))
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE items SET name = '创可贴(100片)' WHERE name = '另一个'"))
    migrate(own_app)

    def folded_names() -> dict[UUID, str]:
        return {item.id: item.folded_name for item in db.session.query(Item)}

    assert unit(folded_names) == {first: "创可贴(100片)", second: f"创可贴(100片) {second}"}
    with own_app.app_context():
        checks = {check["name"] for check in inspect(db.engine).get_check_constraints("items")}
    assert checks == {"ck_items_days_once_opened", "ck_items_kind_known"}
