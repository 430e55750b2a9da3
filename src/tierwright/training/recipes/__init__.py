"""The recipes: each says what one rung of the ladder is, from examples to an artifact."""
