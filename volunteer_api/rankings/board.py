"""A live board for the screen in the hall: a page that asks again by itself, every half minute.

Polling, not server-sent events: a stream would hold one of the few threads of a worker for as long as the hall is
open, and half a minute is live enough for people who walk past. The moment of counting is no part of the page, so that
a screen whose numbers stand still is answered with 304. It has no script: a television's browser of ten years ago
shows it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from volunteer_api.core import texts
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.rankings import files
from volunteer_api.rankings.service import question_of, require_known

SECONDS = 30
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def board_page(query: Mapping[str, Any]) -> Download:
    """The page of a ranking's first places. Raises NotFound (404) for an unknown scope or campaign."""
    question = question_of(query)
    require_known(question)
    # The picture escapes what people typed.
    picture = Markup(files.draw_ranking(question, query["top"], tells_moment=False))  # noqa: S704
    page = _pages.get_template("board.html").render(
        language=texts.language(), seconds=SECONDS, title=files.title_of(question), picture=picture
    )
    return Download(page.encode(), HTML, asked_again=True)
