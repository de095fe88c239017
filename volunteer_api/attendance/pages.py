"""What a phone's camera without the app shows of a presence code: what it is for, and how to use it.

The page is inert. It looks nothing up, so that it tells nothing of shifts and people; it loads and runs nothing.
"""

from jinja2 import Environment

from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import texts
from volunteer_api.core.downloads import HTML, Download

PAGE = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>
body { font: 17px/1.7 sans-serif; margin: 0 auto; max-width: 30rem; padding: 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; border-bottom: 2px solid #b3261e; }
p { margin: .4rem 0; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for line in lines %}<p>{{ line }}</p>
{% endfor %}</body>
</html>
"""

_PAGE = Environment(autoescape=True).from_string(PAGE)


def code_page(kind: CodeKind) -> Download:
    """The page of a shift's code, or of a volunteer's own, in the reader's language; the same for every code."""
    if kind is CodeKind.SHIFT:
        title = texts.translate("Check-in code of a volunteer shift")
        lines = [
            texts.translate("Volunteers of this shift scan it with the volunteers' app, to check in and out."),
            texts.translate("It changes every minute; a photo of it is of no use later."),
        ]
    else:
        title = texts.translate("A volunteer's own code")
        lines = [
            texts.translate("The desk of an activity or a station reads it, to check the volunteer in and out."),
            texts.translate("It is not for passing on: whoever reads it sees who holds the phone."),
        ]
    page = _PAGE.render(language=texts.language(), title=title, lines=lines)
    return Download(page.encode(), HTML)
