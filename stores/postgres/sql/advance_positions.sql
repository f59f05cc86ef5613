UPDATE integration.consumer_offsets AS stored SET next_offset = move.target
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[]) AS move (topic, partition, origin, target)
WHERE stored.consumer = $1
  AND stored.topic = move.topic
  AND stored.partition = move.partition
  AND stored.next_offset = move.origin
RETURNING stored.topic
