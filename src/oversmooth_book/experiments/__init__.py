"""The experiments of the book: a folder for each chapter, under the notebook's name, and what they share in `common`.

``measure.py`` (and its neighbours) make tidy tables from a `common.Setting`; ``claims.py`` computes the chapter's
claims and glued numbers from those tables; ``figures.py`` draws them and computes nothing;
what several chapters draw stands in `figures`.
"""
