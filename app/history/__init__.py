"""A history to try the service on: what a platform's accounts might have done in two years, through the real rules."""
