"""What a phone's camera shows of the label on a numbered piece (`/c/a/<code>`): what it is, and where it goes.

The page is inert, and says nothing of loans: whoever finds an umbrella in a bus learns where to bring it, not whose
turn it was.
"""

from volunteer_api.core import texts
from volunteer_api.core.downloads import Download
from volunteer_api.core.scanned_pages import ScannedPage
from volunteer_api.loans import queries
from volunteer_api.loans.models import Asset
from volunteer_api.stations.views import page_url

_PAGE = ScannedPage(
    """<p>{{ owner }}</p>
<p><a href="{{ station_url }}">{{ piece.station.name }}</a></p>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}"""
)


def label_page(asset: Asset) -> Download:
    """The page of a piece, in the reader's language."""
    piece = queries.read_asset(asset.id)
    return _PAGE.show(
        f"{piece.item.name} {piece.code}",
        piece=piece,
        owner=texts.translate("This is lent for free by a volunteer station:"),
        station_url=page_url(piece.station.id),
        lines=[
            texts.translate("Found it, or done with it? Any station takes it back."),
            texts.translate("Volunteers at the desk scan this label with the app, to lend it and to take it back."),
        ],
    )
