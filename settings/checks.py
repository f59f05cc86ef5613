"""Mistakes that lie between values: names that nothing has, targets without a block, values at odds.

They are looked for in the document itself, not in the models, so that they are found beside mistakes of form.
"""

from typing import Any

from sitehub.settings import check_blocks, check_rules, check_targets
from sitehub.settings.merge import Merged
from sitehub.settings.mistakes import Mistake, dotted

CHECKS = (
    check_rules.rule_faults,
    check_rules.part_faults,
    check_rules.mapping_faults,
    check_targets.name_faults,
    check_targets.authentication_faults,
    check_targets.status_faults,
    check_targets.header_faults,
    check_targets.batch_faults,
    check_blocks.channel_faults,
    check_blocks.kafka_faults,
    check_blocks.registry_faults,
    check_blocks.schema_faults,
    check_blocks.order_faults,
    check_blocks.name_faults,
)


def check(merged: Merged) -> list[Mistake]:
    """Everything that is wrong although each value is well formed; what is not well formed is passed over."""
    document: dict[str, Any] = merged.document
    return [
        Mistake(merged.file_of(fault.path), dotted(fault.path), fault.found, fault.allowed, fault.suggestion)
        for look in CHECKS
        for fault in look(document)
    ]
