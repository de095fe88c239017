"""The access matrix: each operation of the application, who may call it, and a valid call of it.

A new operation gets a row here. What the rules' columns mean says `tests/access_scene`; a row whose name goes on behind
" · " is another case of the same operation. After a change: python -m tests.access_table > docs/access.md
"""

from tests.access_matrix_people import PEOPLE
from tests.access_matrix_work import WORK
from tests.access_scene import Entry

MATRIX: dict[str, Entry] = PEOPLE | WORK
