"""Train, evaluate and attack: ``python run.py task=mri strategy=jitter sigma=0.01``."""

if __name__ == "__main__":
    from sgdj.modes.cli import program

    program()
