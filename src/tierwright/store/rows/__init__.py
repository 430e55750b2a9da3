"""How nouns become rows and rows become nouns. Knows columns by name and order; runs no statement."""
