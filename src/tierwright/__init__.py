"""Tierwright: small models for the work that repeats, frontier models for the rest, and proof of which is which."""

__version__ = "0.1.0"
