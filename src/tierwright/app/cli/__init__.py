"""The command line: reads arguments, calls one function, shows its outcome. Holds no logic of the stages."""
