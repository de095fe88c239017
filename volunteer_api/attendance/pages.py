"""What a phone's camera without the app shows of a presence code: what it is for, and how to use it.

The page is inert. It looks nothing up, so that it tells nothing of shifts and people; it loads and runs nothing.
"""

from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import texts
from volunteer_api.core.downloads import Download
from volunteer_api.core.scanned_pages import ScannedPage

_PAGE = ScannedPage(
    """{% for line in lines %}<p>{{ line }}</p>
{% endfor %}"""
)


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
    return _PAGE.show(title, lines=lines)
