"""Proofs: the compiled code as bit vectors, decided by z3. See fuzz/proofs/README.md."""
