"""How each kind of request is read, carried to a model server of either make, and answered."""
