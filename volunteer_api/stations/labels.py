"""Labels to hang up at stations: a QR code that a phone opens the station by, with its name, code and office."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.documents import qr_code, typeset
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.organizations.models import Organization
from volunteer_api.stations import queries
from volunteer_api.stations.models import Station
from volunteer_api.stations.problems import TooManyLabels
from volunteer_api.stations.views import page_url

TEMPLATE = Path(__file__).resolve().parent / "labels.typ"
TITLE = "志愿服务站点"
HINT = "微信或手机扫码：查看本站、签到、借还物品"
# A hundred pages. A district has some sixty stations; a city prints district by district.
MOST_LABELS = 800


def label_of(station: Station) -> Download:
    """The label of one station as a poster. One statement."""
    rows = db.session.execute(queries.labeled().where(Station.id == station.id)).all()
    return _sheet(rows, poster=True, file_name=f"{station.code}-站点二维码.pdf")


def labels_of(organization: Organization) -> Download:
    """A sheet with the labels of all stations in the organization's subtree that are not closed. One statement.

    Where there is none, an empty page. Raises TooManyLabels (422).
    """
    statement = queries.labeled_below(organization.id).limit(MOST_LABELS + 1)
    rows = db.session.execute(statement).all()
    if len(rows) > MOST_LABELS:
        raise TooManyLabels(most=MOST_LABELS)
    return _sheet(rows, poster=False, file_name=f"{organization.name}-站点二维码.pdf")


def _sheet(rows: Sequence[Row[Any]], *, poster: bool, file_name: str) -> Download:
    labels = [
        {
            "name": row.name,
            "code": row.code,
            "address": row.address,
            "organization": row.organization,
            "office": row.office or "",
            "qr": qr_code(page_url(row.id)),
        }
        for row in rows
    ]
    data = {"title": TITLE, "hint": HINT, "poster": poster, "labels": labels}
    return Download(partial(typeset, TEMPLATE, data, made_at=clock.now()), PDF, file_name)
