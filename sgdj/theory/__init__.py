"""Closed forms of the linear subspace toy, and well-posed forms of the paper's theorems (Guan & Davenport, 2025)."""
