"""The data sets that prioria knows by name, one file a set."""
