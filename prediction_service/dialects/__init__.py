"""One wire format a module: schemas, blueprint, errors."""
