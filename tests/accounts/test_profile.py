"""One's own data: what can be written, what can't, and who is shown what."""

import pytest

from tests.factories import make_volunteer
from tests.files.factories import make_file
from volunteer_api.accounts import profile
from volunteer_api.core import ids
from volunteer_api.core.problems import NotFound

CONTACT = {"name": "李梅", "phone": "+8613911112222"}


@pytest.fixture
def volunteer(unit):
    return unit(make_volunteer)


def patch(client, volunteer, body, version=1):
    return client.as_(volunteer).patch("/me", json=body, version=version)


def test_everything_is_written_read_and_cleared(client, volunteer):
    full = {
        "name": "王小英",
        "birth_date": "1990-03-08",
        "home_division": "410403001",
        "skills": ["急救", "手语"],
        "service_categories": ["elderly_care", "traffic_guidance"],
        "emergency_contact": CONTACT,
    }
    answer = patch(client, volunteer, full)
    assert answer.status_code == 200, answer.json
    me = client.as_(volunteer).get("/me").json
    assert {name: me[name] for name in full} == full
    assert me["phone"] == volunteer.phone
    empty = {name: None for name in full if name != "name"}
    me = patch(client, volunteer, empty, me["version"]).json
    assert {name: me[name] for name in empty} == empty | {"skills": [], "service_categories": []}


def test_the_same_contact_again_is_no_change(client, volunteer):
    first = patch(client, volunteer, {"emergency_contact": CONTACT}).json
    again = patch(client, volunteer, {"emergency_contact": CONTACT}, first["version"]).json
    assert again["version"] == first["version"]


@pytest.mark.parametrize(
    "name",
    [
        *("id", "version", "phone", "volunteer_number", "role", "grants", "created_at", "erases_at", "erased_at"),
        *("resident_id", "guardian", "photo", "emergency_contact_sealed"),
    ],
)
def test_nothing_else_can_be_written(client, volunteer, name):
    before = client.as_(volunteer).get("/me").json
    answer = patch(client, volunteer, {"name": "王", name: "1"})
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"pointer": f"/{name}", "code": "unknown", "detail": answer.json["errors"][0]["detail"]}
    ]
    assert client.as_(volunteer).get("/me").json == before


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"name": None}, "/name", "null"),
        ({"skills": ["急救"] * 2}, "/skills", "repeated"),
        ({"skills": ["急救", " 急救 "]}, "/skills", "repeated"),
        ({"skills": [str(number) for number in range(21)]}, "/skills", "max_length"),
        ({"skills": ["x" * 31]}, "/skills/0", "max_length"),
        ({"skills": [" "]}, "/skills/0", "min_length"),
        ({"skills": "急救"}, "/skills", "not_list"),
        ({"service_categories": ["cooking"]}, "/service_categories/0", "not_choice"),
        ({"service_categories": ["elderly_care"] * 2}, "/service_categories", "repeated"),
        ({"emergency_contact": {"name": "李梅"}}, "/emergency_contact/phone", "required"),
        ({"emergency_contact": CONTACT | {"phone": "12345"}}, "/emergency_contact/phone", "not_phone"),
        ({"emergency_contact": CONTACT | {"role": "x"}}, "/emergency_contact/role", "unknown"),
        ({"birth_date": "2999-01-01"}, "/birth_date", "in_future"),
        ({"home_division": "41x"}, "/home_division", "pattern"),
        ({"photo_id": "x"}, "/photo_id", "not_id"),
    ],
)
def test_each_fault_is_named(client, volunteer, body, pointer, code):
    answer = patch(client, volunteer, body)
    assert answer.status_code == 422, answer.json
    assert [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [(pointer, code)]


def test_a_photo_is_ones_own(client, unit, volunteer):
    mine = unit(lambda: make_file(owner_id=volunteer.id))
    others = unit(lambda: make_file(owner_id=ids.new_id()))
    me = patch(client, volunteer, {"photo_id": str(mine.id)}).json
    assert me["photo"]["id"] == str(mine.id)
    assert me["photo"]["url"].startswith("http")
    assert isinstance(me["photo"]["thumbnails"], list)
    for file_id in (others.id, ids.new_id()):
        answer = patch(client, volunteer, {"photo_id": str(file_id)}, me["version"])
        assert (answer.status_code, answer.json["code"]) == (409, "photo_not_found")
    assert patch(client, volunteer, {"photo_id": None}, me["version"]).json["photo"] is None


@pytest.mark.parametrize(
    ("written", "is_right"),
    [
        ("13911112222", True),
        ("139 1111 2222", True),
        ("+86 139-1111-2222", True),
        ("１３９１１１１２２２２", True),
        ("＋８６　１３９１１１１２２２２", True),
        ("١٣٩١١١١٢٢٢٢", False),
        ("①39 1111 2222", False),
        ("139.1111.2222", False),
        ("+1 202 555 0100", False),
    ],
)
def test_a_phone_in_any_usual_writing_is_one_number(client, volunteer, written, is_right):
    answer = patch(client, volunteer, {"emergency_contact": {"name": "李梅", "phone": written}})
    if is_right:
        assert answer.json["emergency_contact"] == CONTACT
    else:
        assert answer.json["errors"][0]["code"] == "not_phone"


def test_the_contact_of_somebody_has_whole_phones(client, unit, volunteer):
    patch(client, volunteer, {"emergency_contact": CONTACT})
    contact = unit(lambda: profile.contact_of(volunteer.id))
    assert (contact.name, contact.phone, contact.guardian) == (volunteer.name, volunteer.phone, None)
    assert contact.emergency_contact == profile.Person(**CONTACT)
    with pytest.raises(NotFound):
        unit(lambda: profile.contact_of(ids.new_id()))


def test_nobody_signed_in_has_no_profile(client):
    assert client.get("/me").status_code == 401
    assert client.patch("/me", json={"name": "王"}, version=1).status_code == 401
