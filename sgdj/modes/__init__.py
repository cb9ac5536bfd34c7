"""What ``mode=`` chooses: one page for each, from checked settings to exit code."""
