"""The experiments of the book: a folder for each chapter, under the notebook's name.

What they share stands in `settings` (the `settings.Setting`, graphs, losses) and in `common`.
``measure.py`` (and its neighbours) make tidy tables from a `settings.Setting`; ``claims.py`` computes the chapter's
claims and glued numbers from those tables; ``figures.py`` draws them and computes nothing;
what several chapters draw stands in `figures`.
"""
