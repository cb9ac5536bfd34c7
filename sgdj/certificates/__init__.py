"""Certify how far a reconstruction can move: Lipschitz constants of unrolled networks, and floors that follow."""
