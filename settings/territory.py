"""How sites get their territory."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block


class AssignmentParameters(Block):
    """Limits of the assignment."""

    max_distance_km: float = Field(gt=0)
    """Kilometres from a site to its territory."""
    max_sites_per_territory: int = Field(gt=0)
    """Sites."""
    load_balancing_factor: float = Field(gt=0, le=1)
    """Part of the maximum up to which a territory is preferred."""


class OverrideRule(Block):
    """Why a person may choose another territory."""

    condition: Literal["customer_preference", "strategic_account"]
    """The reason."""
    priority: Literal["low", "medium", "high"]
    """Against other reasons."""
    approval_required: bool
    """Whether somebody must agree first."""


class ValidationRule(Block):
    """What must hold of all territories."""

    rule: Literal["no_territory_overlap", "complete_coverage"]
    """Its name."""
    severity: Literal["error", "warning"]
    """Refused or only told."""


class TerritoryAssignment(Block):
    """The assignment."""

    assignment_algorithm: Literal["proximity_based"]
    """How it is done."""
    parameters: AssignmentParameters
    """Its limits."""
    override_rules: list[OverrideRule]
    """Reasons for another choice."""
    validation_rules: list[ValidationRule]
    """What must hold."""
