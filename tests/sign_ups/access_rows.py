"""Rows of the access matrix: sign-ups."""

from tests.access_scene import LEADS_ACTIVITY, OWNER_SEEN_FROM_ABOVE, SIGNED_IN, Call, Entry

ROWS: dict[str, Entry] = {
    "GET /shifts/{shift_id}/sign-ups": LEADS_ACTIVITY(),
    "POST /shifts/{shift_id}/sign-ups": SIGNED_IN(lambda world: Call(body={})),
    "GET /sign-ups/{sign_up_id}": OWNER_SEEN_FROM_ABOVE(),
    "POST /sign-ups/{sign_up_id}/withdrawal": OWNER_SEEN_FROM_ABOVE(lambda world: Call(body={"reason": "生病"})),
}
