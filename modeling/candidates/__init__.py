"""One candidate a module: parameters to an unfitted estimator that becomes a bundle."""
