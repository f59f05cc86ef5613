"""Bytes to events, commands and rows, and back."""
