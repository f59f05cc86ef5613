"""Declared topics: name, key, codec, partitions."""
