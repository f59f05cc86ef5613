"""The HTTP view."""
