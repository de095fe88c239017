"""Why minutes are not written into the ledger, or not taken out of it."""

from volunteer_api.core.problems import Conflict, Forbidden


class OwnHours(Forbidden):
    title = "Nobody records, approves or takes back hours of their own."


class AlreadyReversed(Conflict):
    title = "This record has been taken back already."


class ReversalStays(Conflict):
    title = "This row takes another one back, and stays; write the hours anew where they are due."
