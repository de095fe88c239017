"""Why the catalogue refuses."""

from volunteer_api.core.problems import Conflict


class ItemExists(Conflict):
    title = "The catalogue has an item of this name."
    detail = "The catalogue already has %(item)s."


class ItemUnknown(Conflict):
    title = "A line names an item that is not in the catalogue."


class ProhibitedItem(Conflict):
    title = "This item must not be kept at a station."
    detail = "%(item)s is prohibited at stations."
