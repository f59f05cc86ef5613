SELECT
    (SELECT count(*) FROM public.customer_sites) AS sites,
    (SELECT count(*) FROM public.contracts) AS contracts,
    (SELECT count(*) FROM integration.sync_status) AS results
