"""The HTTP API: wire in, decision out."""
