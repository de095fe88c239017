"""What a phone's browser shows of an invitation's address (`/c/j/<code>`): what the code is for, and how to use it.

The page is inert. It looks nothing up, so that it tells nothing of teams and codes; it loads and runs nothing; and it
is kept nowhere, for the address is the invitation.
"""

import re

from jinja2 import Environment

from volunteer_api.core import texts
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.teams.codes import CODE_LENGTH

# As `ids.readable` makes them; a phone may type small letters.
CODE = re.compile(rf"[2-9A-HJKMNP-Z]{{{CODE_LENGTH}}}", re.ASCII)
PAGE = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 17px/1.7 sans-serif; margin: 0 auto; max-width: 30rem; padding: 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; }
code { display: block; font: 700 1.7rem/1.4 monospace; letter-spacing: .15em; text-align: center; padding: .75rem;
  margin: 1rem 0; border: 2px solid #b3261e; border-radius: .5rem; overflow-wrap: anywhere; user-select: all; }
p, li { margin: .4rem 0; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ what }}</p>
<code>{{ code }}</code>
<ol>{% for step in steps %}<li>{{ step }}</li>{% endfor %}</ol>
<p>{{ warning }}</p>
</body>
</html>
"""


_PAGE = Environment(autoescape=True).from_string(PAGE)


def invitation_page(code: str) -> Download:
    """The page, in the reader's language; the same for codes that open a team and for those that don't."""
    page = _PAGE.render(
        language=texts.language(),
        title=texts.translate("Invitation to a volunteer team"),
        what=texts.translate("With this code you join a team of volunteers. It is used in the volunteers' app."),
        code=code,
        steps=[
            texts.translate("Open the app and sign in; who is new registers with the own phone number."),
            texts.translate("Choose to join a team by a code, and scan the QR code again or type the code."),
            texts.translate("The app shows the team before you join it."),
        ],
        warning=texts.translate("Whoever has the code can use it: pass it on only to whom the team wants."),
    )
    return Download(page.encode(), HTML)
