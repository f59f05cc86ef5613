"""State tables and what a row is."""
