"""PostgreSQL: the schema and its migrations, pools, what is written and read there."""
