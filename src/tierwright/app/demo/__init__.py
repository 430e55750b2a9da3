"""Floor 3, part of `app`: the demo's own synthetic traffic, the replayed frontier model and the client that drives it.

Nothing in here is evidence about a real model: texts, answers and latencies are made up by seed, and say so.
"""
