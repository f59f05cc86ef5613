"""How sites get their territory."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block


class AssignmentParameters(Block):
    """Limits of the assignment."""

    max_distance_km: float = Field(gt=0)
    """Kilometres (geodesic) from a site to its territory at most."""
    max_sites_per_territory: int = Field(gt=0)
    """Sites in one territory at most."""
    load_balancing_factor: float = Field(gt=0, le=1)
    """Share of the maximum (0 to 1) up to which a territory is preferred."""


class OverrideRule(Block):
    """Why a person may choose another territory."""

    condition: Literal["customer_preference", "strategic_account"]
    """Reason for the choice."""
    priority: Literal["low", "medium", "high"]
    """Weight against other reasons."""
    approval_required: bool
    """Whether somebody must agree first."""


class ValidationRule(Block):
    """What must hold of all territories."""

    rule: Literal["no_territory_overlap", "complete_coverage"]
    """Name of the rule."""
    severity: Literal["error", "warning"]
    """Whether what breaks it is refused, or only told."""


class TerritoryAssignment(Block):
    """The assignment of sites to territories."""

    assignment_algorithm: Literal["proximity_based"]
    """How it is done."""
    parameters: AssignmentParameters
    """Limits that it keeps."""
    override_rules: list[OverrideRule]
    """Reasons for another choice."""
    validation_rules: list[ValidationRule]
    """Rules that hold of all territories."""
