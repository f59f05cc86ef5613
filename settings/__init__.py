"""The guide as typed settings."""
