"""Anthropic's Messages API and OpenAI's chat.completions, each in terms of the other.

Owns the translation of decoded JSON, both ways, in one piece and in streams. Refuses to know about HTTP, framing and
backends, and to guess: what the other API has no word for and would change the answer is an error.
"""
