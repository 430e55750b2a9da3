"""The threats that Tierwright is built against, one module each; `docs/security.md` says what each of them is."""
