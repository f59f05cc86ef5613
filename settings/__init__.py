"""The guide as typed settings."""

from sitehub.settings.integration import Integration
from sitehub.settings.loader import load_settings
from sitehub.settings.mistakes import ConfigurationError, Mistake
from sitehub.settings.root import Configuration
from sitehub.settings.settings import Settings

__all__ = ["Configuration", "ConfigurationError", "Integration", "Mistake", "Settings", "load_settings"]
