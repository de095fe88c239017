"""A live board for the screen in the hall: a page that asks again by itself, every half minute.

Polling, not server-sent events: a stream would hold one of the few threads of a worker for as long as the hall is
open, and half a minute is live enough for people who walk past. The page tells its moment to the minute: a screen that
stopped is seen to have stopped. It asks by a script, so that it goes on after the network was away, when a browser that
loads a page anew would stand at its own error; a television's browser that has no such script loads it anew.
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
SCRIPT = Markup(Path(__file__).with_name("board.js").read_text(encoding="utf-8"))  # noqa: S704  # our own
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def board_page(query: Mapping[str, Any]) -> Download:
    """The page of a ranking's first places. Raises NotFound (404) for an unknown scope or campaign."""
    question = question_of(query)
    require_known(question)
    picture = Markup(files.draw_ranking(question, query["top"]))  # noqa: S704  # it escapes what people typed
    page = _pages.get_template("board.html").render(
        language=texts.language(), seconds=SECONDS, title=files.title_of(question), picture=picture, script=SCRIPT
    )
    return Download(page.encode(), HTML, asked_again=True, script=SCRIPT)


def fault_page(problem: Mapping[str, Any]) -> Download:
    """The page that says what is wrong with a board's address, in place of the problem document."""
    page = _pages.get_template("board_fault.html").render(language=texts.language(), problem=problem)
    return Download(page.encode(), HTML)
