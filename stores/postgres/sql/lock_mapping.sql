LOCK TABLE integration.data_mapping IN SHARE ROW EXCLUSIVE MODE
