INSERT INTO integration.batch_leases AS lease (operation, holder, token, expires_at)
VALUES ($1, $2, 1, now() + $3::float8 * interval '1 second')
ON CONFLICT (operation) DO UPDATE
SET holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
WHERE lease.expires_at <= now() OR lease.holder = excluded.holder
RETURNING token
