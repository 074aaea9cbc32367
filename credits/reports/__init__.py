"""What people ask of the past: use, statements, forecasts, and what the platform owes."""
