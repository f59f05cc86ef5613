"""Thin loops: one stream each, a call of a rule, and its effects."""
