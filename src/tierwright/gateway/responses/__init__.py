"""OpenAI's Responses API beside chat.completions: requests, answers and streams, read and translated.

Owns what one API says in terms of the other, over decoded JSON. Refuses to know about HTTP, the framing of events,
routing and backends. Source: OpenAI's API reference, sections Responses, Streaming events and Chat Completions.
"""
