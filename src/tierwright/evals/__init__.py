"""Floor 2: candidate, baseline and Dataset to Evaluation. Imports stats and core."""
