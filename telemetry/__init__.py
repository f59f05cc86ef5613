"""Metrics and log events, each declared once."""
