"""The customer sites integration hub."""
