"""Automatic top-up: credits bought with the saved card when a wallet runs low."""
