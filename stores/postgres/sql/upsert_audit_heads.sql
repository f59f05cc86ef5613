INSERT INTO integration.audit_heads (chain, day, number, rows, hash, last_offset, begins, after_day, after_rows)
SELECT * FROM unnest(
    $1::integer[], $2::date[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bytea[], $8::date[], $9::bigint[]
)
ON CONFLICT (chain, day) DO UPDATE
SET rows = excluded.rows, hash = excluded.hash, last_offset = excluded.last_offset
