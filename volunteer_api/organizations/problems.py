"""Named failures of organizations and grants."""

from volunteer_api.core.problems import Conflict


class ImportRefused(ValueError):
    """A file of divisions is wrong; nothing of it was imported. `line` counts from 1, the header included."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class OrganizationNameTaken(Conflict):
    title = "The parent already has an organization of this name."


class OrganizationKindMisplaced(Conflict):
    title = "An organization of this kind can't stand there."
    detail = "An organization of the kind %(kind)s can't stand under one of the kind %(parent_kind)s."


class DivisionUnknown(Conflict):
    title = "There is no division with this code."
    detail = "There is no division with the code %(code)s."


class VolunteerUnknown(Conflict):
    title = "No volunteer is registered with this phone or id."
    # The look-up of the phone must be counted although it found nobody.
    keeps_writes = True


class AlreadyGranted(Conflict):
    title = "The volunteer already holds this role there."
    # It tells that the phone is registered: that look-up counts too.
    keeps_writes = True


class RoleDoesNotFit(Conflict):
    title = "This role can't be held over a scope of this type."
    detail = "The role %(role)s can't be held over a scope of the type %(scope_type)s."
