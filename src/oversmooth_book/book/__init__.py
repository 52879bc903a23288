"""The book as data: where things lie, its claims, profiles, notebooks, records, and what they need."""
