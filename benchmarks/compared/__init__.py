"""The parts of the comparison of candidates: quality out of fold, cost of a bundle, the tables."""
