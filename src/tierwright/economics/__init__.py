"""Floor 1: prices, costs and savings. Pure; imports core only."""
