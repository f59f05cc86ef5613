-- How far readers have come: written in the transaction that holds what they made of it.
CREATE TABLE integration.consumer_offsets (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
);

CREATE TABLE integration.watermarks (
    operation text PRIMARY KEY,
    watermark timestamptz,
    page_state jsonb,
    updated_at timestamptz NOT NULL DEFAULT now()
);
