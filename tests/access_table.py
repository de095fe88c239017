"""The access matrix as a page for people: python -m tests.access_table > docs/access.md"""

import sys

from tests.access_matrix import MATRIX
from tests.access_scene import ACTORS, PASSES, Entry

HEAD = """# Who may call what

Made from `tests/access_matrix*.py` by `python -m tests.access_table > docs/access.md`. `tests/test_access.py` calls
every operation as each of these people, on SQLite and PostgreSQL, and fails for an operation that has no row.

- anonymous: without a token. volunteer: signed in, has nothing to do with it.
- foreign leader: leads another team of the same office. foreign manager: manages a station of another office. foreign
  organizer: organizes another office of the same center.
- insider: auditor of the very office that it belongs to; she reads its stock, attendances and audit log.
- ✓: it succeeds. 401: sign in first. 403: not with your role. 404: for this caller it does not exist.

A refused call changes no row. No operation takes a member that its body does not declare: role, state, minutes, owner
and version can't be smuggled in.
"""


def render(matrix: dict[str, Entry]) -> str:
    """The page."""
    lines = [HEAD, f"| operation | {' | '.join(actor.replace('_', ' ') for actor in ACTORS)} | right holder |"]
    lines.append("| --- " * (len(ACTORS) + 2) + "|")
    for operation, entry in matrix.items():
        answers = [entry.rule.answer(actor) for actor in ACTORS]
        cells = " | ".join("✓" if answer == PASSES else str(answer) for answer in answers)
        name, _, case = operation.partition(" · ")
        lines.append(f"| `{name}`{f' ({case})' if case else ''} | {cells} | ✓ {entry.rule.name} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render(MATRIX))
