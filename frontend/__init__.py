"""The chat page: shows what the service decided and decides nothing."""
