"""docs/attendance.md: the rules in words, and the table of situations that the tests play.

Run `python -m tests.attendance.evidence_table > docs/attendance.md`. The words are in attendance.md beside this.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.attendance.situations import DUTY, SHIFT, Situation
from volunteer_api.attendance.models import Reason, Remark
from volunteer_api.attendance.schemas import REASON_SENTENCES, REMARK_SENTENCES

WORDS = Path(__file__).with_name("attendance.md")


def page() -> str:
    """The page: the words, with a table for each mark in them."""
    text = WORDS.read_text(encoding="utf-8")
    for mark, table in {
        "shift": _table(SHIFT),
        "duty": _table(DUTY),
        "reasons": _meanings("reason", Reason, REASON_SENTENCES),
        "remarks": _meanings("remark", Remark, REMARK_SENTENCES),
    }.items():
        text = text.replace(f"<!-- {mark} -->", table)
    return text


def _table(situations: Sequence[Situation]) -> str:
    lines = ["| what happens | grade | state | minutes | reasons | remarks |", "| --- | --- | --- | --- | --- | --- |"]
    for one in situations:
        reasons, remarks = (", ".join(f"`{code}`" for code in codes) for codes in (one.reasons, one.remarks))
        lines.append(f"| {one.words} | {one.grade} | {one.state} | {one.minutes} | {reasons} | {remarks} |")
    return "\n".join(lines)


def _meanings(title: str, codes: type[Reason] | type[Remark], sentences: dict[str, str]) -> str:
    return "\n".join(
        [f"| {title} | what it says |", "| --- | --- |"] + [f"| `{code}` | {sentences[code]} |" for code in codes]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
