"""Exactly-once partition batches on Faust; knows nothing of sites."""
