"""The experiments of the book, a module for each chapter; their functions return tidy pandas tables."""


def over_seeds(table, by, value):
    """The median over the seeds and their range, which `oversmooth.drawing.theme.band` draws.

    Args:
        table: pandas.DataFrame, a row for each seed and each combination of ``by``.
        by: list of columns that tell the combinations apart, the seed's column left out.
        value: the column to summarise.

    Returns:
        pandas.DataFrame: a row for each combination, in order of appearance; columns ``by``, median, low
        and high.
    """
    groups = table.groupby(by, sort=False)[value]
    return groups.agg(median="median", low="min", high="max").reset_index()
