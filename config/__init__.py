"""The configuration guide, one JSON file a section."""
