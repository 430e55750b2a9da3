"""Requests whose values became tokens, and the way of their answers back."""
