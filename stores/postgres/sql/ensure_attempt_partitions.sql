SELECT integration.ensure_partitions('command_attempts', moment, moment) FROM unnest($1::timestamptz[]) AS moment
