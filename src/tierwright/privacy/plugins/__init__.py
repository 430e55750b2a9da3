"""Detectors besides the rules, each in a process of its own that may hang or die and lets nothing pass by that."""
