"""Embedded servers, stand-in targets and the feed of real places."""
