"""Labels to stick on numbered pieces: a QR code that a phone opens the piece by, with its number, item and station."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.documents import qr_code, typeset
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.loans import queries
from volunteer_api.loans.problems import TooManyPieces
from volunteer_api.stations.models import Station

TEMPLATE = Path(__file__).resolve().parent / "labels.typ"
TITLE = "借用品标签"
HINT = "扫码借用、归还"
# Fifty pages; a station that has more prints item by item.
MOST_LABELS = 1200


def labels_at(station: Station, query: Mapping[str, Any]) -> Download:
    """The labels of a station's pieces that are not lost or retired, by their numbers. One statement.

    `item_id` or `codes`, divided by commas, choose among them; `used` labels of the first sheet stay blank. Where there
    is nothing to print, an empty page. Raises TooManyPieces (422).
    """
    statement = queries.labeled(station.id, query.get("item_id"), query["codes"].split(",") if "codes" in query else [])
    rows = db.session.execute(statement.limit(MOST_LABELS + 1)).all()
    if len(rows) > MOST_LABELS:
        raise TooManyPieces(most=MOST_LABELS)
    labels = [
        {
            "code": row.code,
            "item": row.item,
            "station": station.name,
            "organization": row.organization,
            "qr": qr_code(queries.label_text(row.code)),
        }
        for row in rows
    ]
    data = {"title": TITLE, "hint": HINT, "used": query["used"], "labels": labels}
    content = partial(typeset, TEMPLATE, data, made_at=clock.now())
    return Download(content, PDF, f"{station.code}-{TITLE}.pdf")
