-- The heads of the given chains and days, and the newest of each chain, locked for this transaction.
SELECT chain, day, number, rows, hash, last_offset, begins, after_day, after_rows
FROM integration.audit_heads
WHERE (chain, day) IN (SELECT * FROM unnest($1::integer[], $2::date[]))
   OR (chain, number) IN (
        SELECT chain, max(number) FROM integration.audit_heads WHERE chain = ANY ($1::integer[]) GROUP BY chain
   )
FOR UPDATE
