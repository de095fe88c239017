"""Rows of the access matrix: qualifications."""

from dataclasses import replace
from datetime import timedelta

from tests.access_scene import KEEPS_ORGANIZATION, ORGANIZES, SIGNED_IN, Call, Entry, World
from tests.factories import next_number
from tests.qualifications.factories import make_policy, make_training
from volunteer_api.core import clock
from volunteer_api.qualifications import service


def training_body(world: World) -> Call:
    """One of the office."""
    return Call(body={"organization_id": str(world.office.id), "name": f"急救{next_number()}"})


def policy_body(world: World) -> Call:
    """One of the office."""
    days = {"starts_on": clock.today().isoformat(), "ends_on": clock.today().isoformat()}
    return Call(
        body={"organization_id": str(world.office.id), "insurer": "人保", "policy_number": f"{next_number()}"} | days
    )


def completion(world: World) -> Call:
    """Of somebody who may not be registered."""
    return Call(
        at={"training_id": make_training(world.office.id).id},
        body={"phones": [world.phone()], "completed_on": clock.today().isoformat()},
    )


def recorded(world: World) -> Call:
    """A record to be revoked."""
    training, by = make_training(world.office.id), world.acts(world.district.organizer)
    made = service.record_completions(training, by=by, phones=[world.phone()], completed_on=clock.today())
    return Call(at={"record_id": made[0].id}, body={"reason": "录错人"})


def insured(world: World) -> Call:
    """A cover to be ended."""
    policy, by = make_policy(world.office.id), world.acts(world.district.organizer)
    made = service.insure(policy, by=by, phones=[world.phone()])
    return Call(at={"insured_id": made[0].id}, body={"on": (clock.today() + timedelta(days=1)).isoformat()})


def of_a_training(world: World) -> Call:
    """One that exists."""
    return Call(at={"training_id": make_training(world.office.id).id})


def of_a_policy(world: World) -> Call:
    """One that exists."""
    return Call(at={"policy_id": make_policy(world.office.id).id})


def table(world: World, header: str, value: str = "") -> Call:
    """One new person."""
    content = f"{header}\n{world.phone()}{value}\n".encode()
    return Call(file=("people.csv", content))


ROWS: dict[str, Entry] = {
    "GET /trainings": SIGNED_IN(),
    "POST /trainings": ORGANIZES(training_body),
    "GET /trainings/{training_id}": SIGNED_IN(of_a_training),
    "PATCH /trainings/{training_id}": ORGANIZES(
        lambda world: Call(at=of_a_training(world).at, body={"valid_days": 365}, version=1)
    ),
    "GET /trainings/{training_id}/records": ORGANIZES(of_a_training),
    "POST /trainings/{training_id}/records": ORGANIZES(completion),
    "GET /training-import-template.xlsx": SIGNED_IN(),
    "POST /trainings/{training_id}/records/import": ORGANIZES(
        lambda world: replace(table(world, "手机号,完成日期", ",2026-01-05"), at=of_a_training(world).at)
    ),
    "GET /trainings/{training_id}/records.xlsx": ORGANIZES(of_a_training),
    "POST /training-records/{record_id}/revocation": ORGANIZES(recorded),
    "GET /insurance-policies": KEEPS_ORGANIZATION(),
    "POST /insurance-policies": ORGANIZES(policy_body),
    "GET /insurance-policies/{policy_id}": ORGANIZES(of_a_policy),
    "PATCH /insurance-policies/{policy_id}": ORGANIZES(
        lambda world: Call(at=of_a_policy(world).at, body={"note": "续保"}, version=1)
    ),
    "GET /insurance-policies/{policy_id}/insured-people": ORGANIZES(of_a_policy),
    "POST /insurance-policies/{policy_id}/insured-people": ORGANIZES(
        lambda world: Call(at=of_a_policy(world).at, body={"phones": [world.phone()]})
    ),
    "GET /insured-people-import-template.xlsx": SIGNED_IN(),
    "POST /insurance-policies/{policy_id}/insured-people/import": ORGANIZES(
        lambda world: replace(table(world, "手机号"), at=of_a_policy(world).at)
    ),
    "GET /insurance-policies/{policy_id}/insured-people.xlsx": ORGANIZES(of_a_policy),
    "POST /insured-people/{insured_id}/ending": ORGANIZES(insured),
    "GET /me/trainings": SIGNED_IN(),
    "GET /me/insurance": SIGNED_IN(),
}
