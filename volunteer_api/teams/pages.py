"""What a phone's browser shows of an invitation's address (`/c/j/<code>`): what the code is for, and how to use it.

The page is inert. It looks nothing up, so that it tells nothing of teams and codes; it loads and runs nothing; and it
is kept nowhere, for the address is the invitation.
"""

import re

from flask import Blueprint, Response, render_template_string

from volunteer_api.core import texts
from volunteer_api.core.problems import NotFound
from volunteer_api.teams.codes import CODE_LENGTH

blueprint = Blueprint("team_pages", __name__)

# As `ids.readable` makes them; a phone may type small letters.
CODE = re.compile(rf"[2-9A-HJKMNP-Z]{{{CODE_LENGTH}}}", re.ASCII)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
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


@blueprint.get("/c/j/<string:code>")
def show_invitation(code: str) -> Response:
    """The page; 404 for what can be no code. It is the same for codes that open a team and for those that don't."""
    bare = code.upper()
    if not CODE.fullmatch(bare):
        raise NotFound()
    page = render_template_string(
        PAGE,
        language=texts.language(),
        title=texts.translate("Invitation to a volunteer team"),
        what=texts.translate("With this code you join a team of volunteers. It is used in the volunteers' app."),
        code=bare,
        steps=[
            texts.translate("Open the app and sign in; who is new registers with the own phone number."),
            texts.translate("Choose to join a team by a code, and scan the QR code again or type the code."),
            texts.translate("The app shows the team before you join it."),
        ],
        warning=texts.translate("Whoever has the code can use it: pass it on only to whom the team wants."),
    )
    response = Response(page, content_type="text/html; charset=utf-8", headers=HEADERS)
    response.headers["Content-Language"] = texts.language()
    response.vary.add("Accept-Language")
    return response
