"""What every block of the configuration has in common."""

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A block: its keys are known, its values have their types, and nothing changes it later.

    The docstring under a field is the field's description: what it means, its unit, and what holds when it is absent.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
