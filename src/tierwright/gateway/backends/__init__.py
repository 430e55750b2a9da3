"""One module for each kind of model server the gateway can ask."""
