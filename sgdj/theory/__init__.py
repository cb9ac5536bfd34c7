"""The linear subspace toy in closed form, and the well-posed forms of the paper's theorems."""
