"""Networks made from PyTorch Geometric's layers: remedies against oversmoothing, and other aggregation operators."""
