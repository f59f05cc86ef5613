SELECT partition, max(next_offset) AS next_offset FROM integration.consumer_offsets
WHERE topic = $1 AND next_offset > 0 GROUP BY partition
