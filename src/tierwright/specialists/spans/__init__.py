"""What serves the recipe `span-tagger`: strings copied from the input, found by a chain over its tokens."""
