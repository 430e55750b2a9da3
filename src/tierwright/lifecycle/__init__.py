"""Floor 2: Evaluation to Deployment. Imports stats and core."""
