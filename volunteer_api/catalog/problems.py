"""Why the catalogue refuses."""

from volunteer_api.core.problems import Conflict, Forbidden


class ItemExists(Conflict):
    title = "The catalogue has an item of this name."
    detail = "The catalogue already has %(item)s."


class ItemInUse(Conflict):
    """Quantities in the books, on shelves and in kits were written in its unit, and would mean something else."""

    title = "Something is counted in this unit; archive the item, and add one with the other unit."
    detail = "%(item)s is counted in %(unit)s already; archive it, and add one with the other unit."


class ItemUnknown(Conflict):
    title = "A line names an item that is not in the catalogue."


class ProhibitedItem(Conflict):
    title = "This item must not be kept at a station."
    detail = "%(item)s is prohibited at stations."


class ItemArchived(Conflict):
    title = "This item is no longer offered."
    detail = "%(item)s is no longer offered."


class ItemsByOrganizers(Forbidden):
    title = "Who manages an organization adds to the catalogue; ask your organizer for this item."


class ItemOfAll(Forbidden):
    """Who added it may change it only while no station but her own counts it, and prohibit nothing."""

    title = "This item belongs to all; ask who administers the whole deployment to change it."


class BarcodeTaken(Conflict):
    title = "This barcode belongs to another item."
    detail = "The barcode %(barcode)s belongs to %(item)s."


class KitStandardExists(Conflict):
    title = "The organization has a standard for this kit and kind of station; issue a version of it."
    detail = "The organization already has the standard %(name)s for this kit; issue a version of it."


class EffectiveInPast(Conflict):
    title = "A standard counts from today on or later, never for days gone by."


class NewerVersionIssued(Conflict):
    title = "Somebody issued a version since the one that you read."
    detail = "Version %(number)s of this standard is the newest."
