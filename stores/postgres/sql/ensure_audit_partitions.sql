SELECT integration.ensure_partitions('audit_log', moment, moment) FROM unnest($1::timestamptz[]) AS moment
