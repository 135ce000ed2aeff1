"""The processes of `radiolith serve`: supervisor, receivers, workers, housekeeper."""
