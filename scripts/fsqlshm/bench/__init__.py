"""Running the benchmark programs, and what is made of their results."""
