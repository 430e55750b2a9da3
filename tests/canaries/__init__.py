"""Requests with canaries in every field of every endpoint, and a gateway whose detectors and servers fail."""
