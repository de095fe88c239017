"""Service records: the hours ledger, and what is summed from it."""
