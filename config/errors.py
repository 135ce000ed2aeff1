"""What is wrong with a configuration."""


class SettingsError(ValueError):
    """A setting is unknown, malformed or out of range. The message names it and where it stands."""
