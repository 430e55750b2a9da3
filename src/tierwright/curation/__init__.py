"""Floor 2: Inferences to Tasks to Datasets. Imports stats and core."""
