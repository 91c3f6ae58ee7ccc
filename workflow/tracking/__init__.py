"""MLflow runs, versions, aliases and receipts: the only MLflow here."""
