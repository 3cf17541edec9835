"""What the guard costs, measured beside the same work without it. Ratios of one run; never a timed test."""
