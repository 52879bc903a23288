"""Showing the book: pages, ledger, HTML and PDF."""
