"""Floor 1: what a trained specialist is: artifact, features, prediction, confidence. Never imports torch; imports core only."""
