"""What trains the recipe `span-tagger`."""
