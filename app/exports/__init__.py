"""What is downloaded: statements as CSV and PDF, transactions as CSV, and pictures for cards."""
