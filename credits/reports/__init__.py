"""Reports: statements of months, and what is read out of history as a whole."""
