-- The rows are made where they are missing, so that there is one to lock and compare.
WITH wanted AS (
    SELECT topic, partition FROM unnest($2::text[], $3::integer[]) AS w (topic, partition)
), made AS (
    INSERT INTO integration.consumer_offsets (consumer, topic, partition, next_offset)
    SELECT $1, topic, partition, 0 FROM wanted
    ON CONFLICT DO NOTHING
    RETURNING topic, partition, next_offset
)
SELECT topic, partition, next_offset FROM made
UNION
SELECT topic, partition, next_offset
FROM integration.consumer_offsets JOIN wanted USING (topic, partition)
WHERE consumer = $1
