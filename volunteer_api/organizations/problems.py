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
    detail = "The parent already has an organization with the name %(name)s."


class OrganizationKindMisplaced(Conflict):
    title = "An organization of this kind can't stand there."
    detail = "An organization of the kind %(kind)s can't stand under one of the kind %(parent_kind)s."


class OrganizationClosed(Conflict):
    title = "The organization is closed."
    detail = "%(name)s is closed and takes on nothing new."


class OrganizationInItself(Conflict):
    title = "An organization can't come to stand under itself."


class OrganizationNotEmpty(Conflict):
    """`name` is one thing that stands in the way; the members say `what` it is (a plural) and its `id`."""

    title = "Something of the organization is still open."
    detail = "%(name)s is still open; close, move or finish it first."


class RootStays(Conflict):
    title = "An organization at the top of the tree can't be moved, merged or closed."


class DivisionUnknown(Conflict):
    title = "There is no division with this code."
    detail = "There is no division with the code %(code)s."


class DivisionOutside(Conflict):
    title = "The division lies outside of the one of the organization above."
    detail = "%(division)s (%(code)s) does not lie in %(above)s, the division of %(organization)s."


class DivisionTaken(Conflict):
    title = "Another organization of this kind there has the division."
    detail = "%(name)s has the division %(code)s already."


class VolunteerUnknown(Conflict):
    title = "No volunteer is registered with this id."


class AccountComesFirst(Conflict):
    title = "This role waits for nobody: who is to have it registers first."
    # The look-up of the phone must be counted although nothing came of it.
    keeps_writes = True


class AlreadyGranted(Conflict):
    title = "The volunteer already holds this role there."
    # The look-up of the phone must be counted although nothing came of it.
    keeps_writes = True


class LastAdministrator(Conflict):
    title = "The last administrator at the top of the tree stays: nobody could give that role again."
    detail = f"{title} Give it to whoever follows first."


class RoleDoesNotFit(Conflict):
    title = "This role can't be held over a scope of this type."
    detail = "The role %(role)s can't be held over a scope of the type %(scope_type)s."
