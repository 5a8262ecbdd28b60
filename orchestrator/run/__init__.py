"""What one run carries and gathers, from the order to the outcome."""
