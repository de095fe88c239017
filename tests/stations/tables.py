"""Tables of stations, sent and fetched."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from openpyxl import Workbook, load_workbook
from sqlalchemy import select

from volunteer_api.core.database import db
from volunteer_api.stations.models import Station

Unit = Callable[[Callable[[], Any]], Any]
HEADER = [
    "站点名称",
    "类别",
    "站点编号",
    "所属组织",
    "地址",
    "纬度",
    "经度",
    "坐标系",
    "开放时间",
    "服务项目",
    "联系电话",
    "站长手机",
    "状态",
    "状态说明",
]


def workbook(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def row(name: str, **cells: Any) -> list[Any]:
    """A good row of a desk; cells are named by their columns."""
    found = {
        "站点名称": name,
        "类别": "服务台",
        "所属组织": "河西社区",
        "地址": "建设路1号",
        "纬度": 33.7354,
        "经度": 113.3301,
        "坐标系": "WGS84",
    } | cells
    return [found.get(column) for column in HEADER]


def send(client: Any, who: Any, organization: Any, content: bytes, query: str = "", **options: Any) -> Any:
    path = f"/organizations/{organization.id}/stations/import{query}"
    return client.as_(who).post(path, data={"file": (BytesIO(content), "站点.xlsx")}, **options)


def cells_of_errors(answer: Any) -> list[tuple[str, str]]:
    return [(error["cell"], error["code"]) for error in answer.json["errors"]]


def stations_of(unit: Unit) -> list[Station]:
    found: list[Station] = unit(lambda: list(db.session.scalars(select(Station).order_by(Station.id))))
    return found


def exported(client: Any, who: Any, organization: Any) -> list[list[Any]]:
    answer = client.as_(who).get(f"/organizations/{organization.id}/stations.xlsx")
    assert answer.status_code == 200, answer.json
    return [list(cells) for cells in load_workbook(BytesIO(answer.get_data())).worksheets[0].values]
