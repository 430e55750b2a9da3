"""Floor 0: the nouns, the errors and the seams every other package speaks in.

Imports the standard library only. Owns no I/O, no clock and no random state.
"""
