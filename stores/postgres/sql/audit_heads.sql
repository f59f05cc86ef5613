SELECT chain, day, number, rows, hash, last_offset, begins, after_day, after_rows FROM integration.audit_heads
