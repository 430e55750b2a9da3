"""Which deployment of which backend is asked for a model, in what order, when again, and when not. Does no I/O."""
