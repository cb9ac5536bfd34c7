"""Kill runs, damage files and fuzz readers, to see that nothing is lost."""
