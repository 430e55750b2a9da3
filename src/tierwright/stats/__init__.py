"""Floor 1: statistics. Pure: numbers in, an `Estimate` out; imports core only."""
