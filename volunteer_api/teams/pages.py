"""What a phone's browser shows of an invitation's address (`/c/j/<code>`): what the code is for, and how to use it.

The page is inert. It looks nothing up, so that it tells nothing of teams and codes; it loads and runs nothing; and it
is kept nowhere, for the address is the invitation.
"""

import re

from volunteer_api.core import texts
from volunteer_api.core.downloads import Download
from volunteer_api.core.scanned_pages import ScannedPage
from volunteer_api.teams.codes import CODE_LENGTH

# As `ids.readable` makes them; a phone may type small letters.
CODE = re.compile(rf"[2-9A-HJKMNP-Z]{{{CODE_LENGTH}}}", re.ASCII)
_PAGE = ScannedPage(
    """<p>{{ what }}</p>
<code>{{ code }}</code>
<ol>{% for step in steps %}<li>{{ step }}</li>{% endfor %}</ol>
<p>{{ warning }}</p>
"""
)


def invitation_page(code: str) -> Download:
    """The page, in the reader's language; the same for codes that open a team and for those that don't."""
    return _PAGE.show(
        texts.translate("Invitation to a volunteer team"),
        what=texts.translate("With this code you join a team of volunteers. It is used in the volunteers' app."),
        code=code,
        steps=[
            texts.translate("Open the app and sign in; who is new registers with the own phone number."),
            texts.translate("Choose to join a team by a code, and scan the QR code again or type the code."),
            texts.translate("The app shows the team before you join it."),
        ],
        warning=texts.translate("Whoever has the code can use it: pass it on only to whom the team wants."),
    )
