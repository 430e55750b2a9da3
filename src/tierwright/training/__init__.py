"""Floor 2: Dataset to ModelVersion. Imports specialists, stats and core; alone may import torch."""
