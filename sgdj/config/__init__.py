"""Settings: composed by Hydra, checked before anything runs, and hashed into a run's name."""
