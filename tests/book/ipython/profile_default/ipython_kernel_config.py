"""nbval keeps no history, and without one IPython forgets that a trailing semicolon hides a cell's value."""

c = get_config()  # noqa: F821
c.InteractiveShell.ast_node_interactivity = "none"
