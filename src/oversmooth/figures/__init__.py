"""Drawing: ``draw_...(ax, table)`` functions that draw what a table holds and compute nothing, in one theme.

A chapter's functions live in ``figures/<chapter>.py``, and `oversmooth` lists their names; `theme` says how to
write one.
"""
