"""Pages for whoever scans a code of ours without the app: they load and run nothing, in the reader's language."""

from typing import Any

from jinja2 import Environment

from volunteer_api.core import texts
from volunteer_api.core.downloads import HTML, Download

FRAME = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>
body { font: 17px/1.7 sans-serif; margin: 0 auto; max-width: 30rem; padding: 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; border-bottom: 2px solid #b3261e; }
code { display: block; font: 700 1.7rem/1.4 monospace; letter-spacing: .15em; text-align: center; padding: .75rem;
  margin: 1rem 0; border: 2px solid #b3261e; border-radius: .5rem; overflow-wrap: anywhere; user-select: all; }
p, li { margin: .4rem 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{{ content|safe }}</body>
</html>
"""

_environment = Environment(autoescape=True)
_frame = _environment.from_string(FRAME)


class ScannedPage:
    """A page with this markup (Jinja) below its title; what is put into it is escaped."""

    def __init__(self, markup: str) -> None:
        self._template = _environment.from_string(markup)

    def show(self, title: str, **values: Any) -> Download:
        """The page with these values."""
        content = self._template.render(**values)
        page = _frame.render(language=texts.language(), title=title, content=content)
        return Download(page.encode(), HTML)
