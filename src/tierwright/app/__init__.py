"""Floor 3: settings, wiring, command line and demo; the only package that knows every other one and the environment."""
