"""The catalogue of items, and the ledger of what each station holds."""
