"""The access matrix: each operation of the application, who may call it, and a valid call of it.

A new operation gets a row here or in its feature's `access_rows.py`. What the rules' columns mean says
`tests/access_scene`; a row whose name goes on behind " · " is another case of the same operation.
After a change: python -m tests.access_table > docs/access.md
"""

from tests.access_matrix_people import PEOPLE
from tests.access_matrix_work import WORK
from tests.access_scene import Entry
from tests.activities import access_rows as activities
from tests.catalog import access_rows as catalog
from tests.certificates import access_rows as certificates
from tests.compliance import access_rows as compliance
from tests.disputes import access_rows as disputes
from tests.feedback import access_rows as feedback
from tests.hours import access_rows as hours
from tests.inventory import access_rows as inventory
from tests.loans import access_rows as loans
from tests.notifications import access_rows as notifications
from tests.phone import access_rows as phone
from tests.qualifications import access_rows as qualifications
from tests.rankings import access_rows as rankings
from tests.sign_ups import access_rows as sign_ups
from tests.stations import access_rows as stations
from tests.stocktakes import access_rows as stocktakes
from tests.transfers import access_rows as transfers

FEATURES = (
    notifications,
    stations,
    catalog,
    inventory,
    loans,
    stocktakes,
    transfers,
    compliance,
    qualifications,
    activities,
    sign_ups,
    rankings,
    disputes,
    feedback,
    hours,
    certificates,
    phone,
)
MATRIX: dict[str, Entry] = PEOPLE | {name: row for feature in FEATURES for name, row in feature.ROWS.items()} | WORK
