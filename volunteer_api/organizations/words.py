"""What kinds of organizations, roles and scopes are called in sentences."""

from collections.abc import Mapping

from volunteer_api.core.texts import Word
from volunteer_api.organizations.models import OrganizationKind, Role, ScopeType

KINDS: Mapping[str, Word] = {
    OrganizationKind.CITY_OFFICE: Word("city office"),
    OrganizationKind.PRACTICE_CENTER: Word("practice center"),
    OrganizationKind.PRACTICE_OFFICE: Word("practice office"),
    OrganizationKind.PRACTICE_STATION: Word("practice station"),
    OrganizationKind.UNIT: Word("unit"),
}
ROLES: Mapping[str, Word] = {
    Role.ADMINISTRATOR: Word("administrator"),
    Role.ORGANIZER: Word("organizer"),
    Role.INSPECTOR: Word("inspector"),
    Role.AUDITOR: Word("auditor"),
    Role.STATION_MANAGER: Word("station manager"),
}
SCOPES: Mapping[str, Word] = {
    ScopeType.ORGANIZATION: Word("organization"),
    ScopeType.STATION: Word("service station"),
}
