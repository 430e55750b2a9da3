"""Floor 1: what a trained specialist is: artifact, features, prediction, confidence. Imports core only, never torch."""
