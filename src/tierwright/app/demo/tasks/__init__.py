"""The tasks of the invented company Brindlewick, one module each: how an input is worded and what its right answer is.

Each module has a source class with `draw(rng) -> Item`. All of it is synthetic; nobody and nothing real is meant.
"""
