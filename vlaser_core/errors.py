"""Errors a user meets. Each message says what was expected, what came, and what to do about it."""


class VlaserError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(VlaserError):
    """A configuration file is missing, malformed, or describes something impossible."""


class CheckpointError(VlaserError):
    """A checkpoint folder is incomplete, damaged, or belongs to another robot."""


class InputError(VlaserError):
    """An observation, image, instruction or chunk that does not fit the contract."""


class KinematicsError(VlaserError):
    """A pose the arm cannot reach from where it is. step: which one, of several."""

    step: int = 0
