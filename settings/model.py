"""What every block of the configuration has in common."""

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A block: its keys are known, its values have their types, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
