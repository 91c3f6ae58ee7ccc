"""Ratios measured side by side; never a timed test."""
