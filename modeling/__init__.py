"""The library: text to scores to decisions. No HTTP, no MLflow, no environment, no prints."""
