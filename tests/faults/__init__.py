"""The fault suite: a gateway between a scripted upstream which keeps an invoice and clients that misbehave."""
