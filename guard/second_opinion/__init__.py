"""A slower judge is asked about what the guard is not sure of: the cascade, its budget, and the judges."""
