"""Steps of the schema, applied once each in the order of their numbers; a step that was released never changes."""
