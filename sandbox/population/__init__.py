"""One synthetic population, the truth from which every simulated source is filled."""
