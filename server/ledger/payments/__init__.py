"""Payments: the port to the providers, the providers themselves, and what their news does to the ledger."""
