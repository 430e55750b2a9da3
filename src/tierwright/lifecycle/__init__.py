"""Floor 2: Evaluation to Deployment. Imports specialists, stats and core."""
