"""Turns the library into runs: steps, their graph, runners, tracking."""
