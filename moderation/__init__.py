"""The decision core between service, workflow and library: so far the journal of labels."""
