"""What a phone's camera shows of the label on a numbered piece (`/c/a/<code>`): what it is, and where it goes.

The page is inert, and says nothing of loans: whoever finds an umbrella in a bus learns where to bring it, not whose
turn it was.
"""

from jinja2 import Environment

from volunteer_api.core import texts
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.loans import queries
from volunteer_api.loans.models import Asset
from volunteer_api.stations.views import page_url

PAGE = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ piece.item.name }} {{ piece.code }}</title>
<style>
body { font: 17px/1.7 sans-serif; margin: 0 auto; max-width: 30rem; padding: 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; border-bottom: 2px solid #b3261e; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ piece.item.name }} {{ piece.code }}</h1>
<p>{{ owner }}</p>
<p><a href="{{ station_url }}">{{ piece.station.name }}</a></p>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}</body>
</html>
"""

_PAGE = Environment(autoescape=True).from_string(PAGE)


def label_page(asset: Asset) -> Download:
    """The page of a piece, in the reader's language."""
    piece = queries.read_asset(asset.id)
    page = _PAGE.render(
        language=texts.language(),
        piece=piece,
        owner=texts.translate("This is lent for free by a volunteer station:"),
        station_url=page_url(piece.station.id),
        lines=[
            texts.translate("Found it, or done with it? Any station takes it back."),
            texts.translate("Volunteers at the desk scan this label with the app, to lend it and to take it back."),
        ],
    )
    return Download(page.encode(), HTML)
