"""Beyond the paper: the GCN that everybody trains, made deeper, one factor exchanged at a time."""
