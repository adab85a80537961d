"""Runs the benchmark program, compares runs, and draws them."""
