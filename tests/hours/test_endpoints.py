"""The ledger as its owner reads it."""

from datetime import timedelta
from typing import Any

from tests.attendance.factories import make_scene
from tests.hours.test_service import FIRST, credit


def test_my_records_in_pages_the_latest_day_first(client: Any, unit: Any) -> None:
    scene = make_scene(starts_at=FIRST)

    def work() -> None:
        for day in (1, 3, 2, 3):
            credit(scene, scene.volunteer.id, 10 * day, FIRST + timedelta(days=day))
        credit(scene, scene.stranger.id, 7, FIRST)

    unit(work)
    phone = client.as_(scene.volunteer)
    found: list[int] = []
    cursor = ""
    while True:
        page = phone.get(f"/me/service-records?limit=1{cursor}").json
        found += [item["minutes"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [30, 30, 20, 10]
    stolen = client.as_(scene.stranger).get(f"/me/service-records?limit=1{cursor}")
    assert (stolen.status_code, stolen.json["code"]) == (400, "invalid_cursor")
    assert phone.get("/me/service-records?limit=0").status_code == 422
    assert phone.get("/me/tally?period=2026-01").json["by_period"] == [
        {"period": "2026-01-02", "credited_minutes": 10, "held_minutes": 0},
        {"period": "2026-01-03", "credited_minutes": 20, "held_minutes": 0},
        {"period": "2026-01-04", "credited_minutes": 60, "held_minutes": 0},
    ]


def test_nobody_reads_without_a_token(client: Any) -> None:
    assert client.get("/me/service-records").status_code == 401
