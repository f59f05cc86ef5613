DELETE FROM integration.batch_runs WHERE state = 'completed' AND ended_at < now() - interval '13 months'
