"""What personal and secret data looks like, and where it stands in a text."""
