"""Routes of qualifications."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.core.tables import Table
from volunteer_api.qualifications import access, imports, queries, schemas, service
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord

blueprint = feature_blueprint("qualifications", __name__, "Trainings, and insurance policies with whom they cover")
# Of lists as workbooks.
LISTS = "30/hour"


@endpoint(
    blueprint,
    "GET",
    "/trainings",
    access=signed_in,
    query=schemas.TrainingFilter,
    returns=page_of(schemas.TrainingRead),
)
def list_trainings(query: dict[str, Any]) -> Page:
    """List trainings by name."""
    return queries.list_trainings(query)


@endpoint(
    blueprint,
    "POST",
    "/trainings",
    access=signed_in,
    body=schemas.TrainingCreate,
    returns=schemas.TrainingRead,
    status=201,
)
def create_training(principal: Principal, body: dict[str, Any]) -> Training:
    """Set up a training of an organization that you manage."""
    access.require_keeping(principal, body["organization_id"])
    return service.create_training(**body)


@endpoint(
    blueprint,
    "GET",
    "/trainings/<uuid:training_id>",
    access=access.to_see_training,
    returns=schemas.TrainingRead,
)
def read_training(training: Training) -> Training:
    """Read a training."""
    return training


@endpoint(
    blueprint,
    "PATCH",
    "/trainings/<uuid:training_id>",
    access=access.to_keep_training,
    body=schemas.TrainingUpdate,
    returns=schemas.TrainingRead,
    edits=True,
)
def change_training(training: Training, body: dict[str, Any]) -> Training:
    """Change a training of an organization that you manage."""
    return service.change_training(training, **body)


@endpoint(
    blueprint,
    "GET",
    "/trainings/<uuid:training_id>/records",
    access=access.to_keep_training,
    query=PageQuery,
    returns=page_of(schemas.TrainingRecordRead),
)
def list_training_records(training: Training, query: dict[str, Any]) -> Page:
    """List who completed a training, by masked phone, the latest first."""
    return queries.list_records(training, query)


@endpoint(
    blueprint,
    "POST",
    "/trainings/<uuid:training_id>/records",
    access=access.to_keep_training,
    body=schemas.CompletionsCreate,
    returns=schemas.TrainingRecordList,
    status=201,
)
def record_completions(principal: Principal, training: Training, body: dict[str, Any]) -> dict[str, Any]:
    """Record that the owners of some phones completed a training."""
    return {"items": service.record_completions(training, by=principal, **body)}


@endpoint(blueprint, "GET", "/training-import-template.xlsx", access=signed_in, produces=XLSX)
def read_completions_template() -> Download:
    """Fetch the empty workbook that an import of training records takes."""
    return imports.completions_template()


@endpoint(
    blueprint,
    "POST",
    "/trainings/<uuid:training_id>/records/import",
    access=access.to_keep_training,
    query=schemas.CompletionsImportQuery,
    returns=schemas.PeopleImportRead,
    upload=True,
    prepare=imports.receive_completions,
)
def import_completions(
    principal: Principal, training: Training, query: dict[str, Any], upload: Table
) -> imports.Imported:
    """Record the people of an xlsx or csv table, all or nobody; a dry run names each bad cell and changes nothing."""
    return imports.import_completions(training, upload, by=principal, **query)


@endpoint(
    blueprint,
    "GET",
    "/trainings/<uuid:training_id>/records.xlsx",
    access=access.to_keep_training,
    produces=XLSX,
    audits=True,
    limit=LISTS,
)
def export_completions(principal: Principal, training: Training) -> Download:
    """Fetch who completed a training as a workbook, by masked phone, with whether it counts today."""
    return imports.export_completions(training, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/training-records/<uuid:record_id>/revocation",
    access=access.to_keep_record,
    body=schemas.Revocation,
    returns=schemas.TrainingRecordRead,
)
def revoke_training_record(principal: Principal, record: TrainingRecord, body: dict[str, Any]) -> TrainingRecord:
    """Say that a record of a training was wrong."""
    return service.revoke(record, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/insurance-policies",
    access=access.to_list_policies,
    query=schemas.PolicyFilter,
    returns=page_of(schemas.PolicyRead),
)
def list_policies(principal: Principal, query: dict[str, Any]) -> Page:
    """List the insurance policies of organizations that you manage."""
    return service.list_policies(by=principal, query=query)


@endpoint(
    blueprint,
    "POST",
    "/insurance-policies",
    access=signed_in,
    body=schemas.PolicyCreate,
    returns=schemas.PolicyRead,
    status=201,
)
def create_policy(principal: Principal, body: dict[str, Any]) -> service.PolicyView:
    """Enter an insurance policy of an organization that you manage."""
    access.require_keeping(principal, body["organization_id"])
    return service.view(service.create_policy(by=principal.volunteer_id, **body))


@endpoint(
    blueprint,
    "GET",
    "/insurance-policies/<uuid:policy_id>",
    access=access.to_keep_policy,
    returns=schemas.PolicyRead,
)
def read_policy(policy: Policy) -> service.PolicyView:
    """Read an insurance policy."""
    return service.view(policy)


@endpoint(
    blueprint,
    "PATCH",
    "/insurance-policies/<uuid:policy_id>",
    access=access.to_keep_policy,
    body=schemas.PolicyUpdate,
    returns=schemas.PolicyRead,
    edits=True,
)
def change_policy(principal: Principal, policy: Policy, body: dict[str, Any]) -> service.PolicyView:
    """Change the note of a policy, or the day on which it ends."""
    return service.view(service.change_policy(policy, by=principal.volunteer_id, **body))


@endpoint(
    blueprint,
    "GET",
    "/insurance-policies/<uuid:policy_id>/insured-people",
    access=access.to_keep_policy,
    query=PageQuery,
    returns=page_of(schemas.InsuredRead),
)
def list_insured_people(policy: Policy, query: dict[str, Any]) -> Page:
    """List whom a policy covers, by masked phone."""
    return queries.list_insured(policy, query)


@endpoint(
    blueprint,
    "POST",
    "/insurance-policies/<uuid:policy_id>/insured-people",
    access=access.to_keep_policy,
    body=schemas.InsuredCreate,
    returns=schemas.InsuredList,
    status=201,
)
def insure_people(principal: Principal, policy: Policy, body: dict[str, Any]) -> dict[str, Any]:
    """Let a policy cover the owners of some phones."""
    return {"items": service.insure(policy, by=principal, **body)}


@endpoint(blueprint, "GET", "/insured-people-import-template.xlsx", access=signed_in, produces=XLSX)
def read_insured_template() -> Download:
    """Fetch the empty workbook that an import of insured people takes."""
    return imports.insured_template()


@endpoint(
    blueprint,
    "POST",
    "/insurance-policies/<uuid:policy_id>/insured-people/import",
    access=access.to_keep_policy,
    query=schemas.InsuredImportQuery,
    returns=schemas.PeopleImportRead,
    upload=True,
    prepare=imports.receive_insured,
)
def import_insured(principal: Principal, policy: Policy, query: dict[str, Any], upload: Table) -> imports.Imported:
    """Insure the people of an xlsx or csv table, all or nobody; a dry run names each bad cell and changes nothing."""
    return imports.import_insured(policy, upload, by=principal, **query)


@endpoint(
    blueprint,
    "GET",
    "/insurance-policies/<uuid:policy_id>/insured-people.xlsx",
    access=access.to_keep_policy,
    produces=XLSX,
    audits=True,
    limit=LISTS,
)
def export_insured(principal: Principal, policy: Policy) -> Download:
    """Fetch whom a policy lists as a workbook, by masked phone, with what their cover is today."""
    return imports.export_insured(policy, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/insured-people/<uuid:insured_id>/ending",
    access=access.to_keep_insured,
    body=schemas.CoverEnding,
    returns=schemas.InsuredRead,
)
def end_cover(principal: Principal, insured: Insured, body: dict[str, Any]) -> Insured:
    """Let the cover of one person end with a day of the policy, earlier or, after a mistake, later."""
    return service.end_cover(insured, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/me/trainings",
    access=signed_in,
    query=PageQuery,
    returns=page_of(schemas.OwnTrainingRead),
)
def list_own_trainings(principal: Principal, query: dict[str, Any]) -> Page:
    """List the trainings that you completed."""
    return queries.list_own_trainings(principal.volunteer_id, query)


@endpoint(
    blueprint,
    "GET",
    "/me/insurance",
    access=signed_in,
    query=PageQuery,
    returns=page_of(schemas.OwnInsuranceRead),
)
def list_own_insurance(principal: Principal, query: dict[str, Any]) -> Page:
    """List the insurance policies that cover you, and on which days."""
    return queries.list_own_insurance(principal.volunteer_id, query)
