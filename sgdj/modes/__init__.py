"""One page for each ``mode=``, from checked settings to exit code."""
