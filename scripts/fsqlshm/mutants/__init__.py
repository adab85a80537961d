"""Mutants of the library, each with one fault, and which engine finds which. See harness/mutants/README.md."""
