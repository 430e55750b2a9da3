"""Floor 3: settings, wiring, the command line and the demo. Knows every other package; holds no logic of theirs."""
