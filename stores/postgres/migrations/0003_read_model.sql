-- What lists and batches read: the state of the tables in Kafka, a moment later. Names are bare in the guide's queries.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE public.customer_sites (
    site_id text PRIMARY KEY,
    site_name text,
    address jsonb,
    territory_id text,
    status text NOT NULL,
    attributes jsonb NOT NULL,
    contract_info jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    last_event_id text NOT NULL,
    last_event_timestamp timestamptz NOT NULL
);

COMMENT ON COLUMN public.customer_sites.updated_at IS 'When the newest event was applied.';
COMMENT ON COLUMN public.customer_sites.status IS 'The attribute of that name, "deleted" for a deleted site, else "active".';

CREATE INDEX customer_sites_updated ON public.customer_sites (updated_at, site_id);
CREATE INDEX customer_sites_territory ON public.customer_sites (territory_id, updated_at, site_id);
CREATE INDEX customer_sites_status ON public.customer_sites (status, updated_at, site_id);
CREATE INDEX customer_sites_name ON public.customer_sites USING gin (site_name gin_trgm_ops);

CREATE TABLE public.contracts (
    site_id text PRIMARY KEY,
    contract_type text,
    billing_cycle text,
    contract_info jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);

COMMENT ON COLUMN public.contracts.updated_at IS 'When the newest event that changed the contract was applied.';

CREATE INDEX contracts_updated ON public.contracts (updated_at, site_id);

CREATE TABLE public.territories (
    territory_id text PRIMARY KEY,
    name text,
    boundary jsonb,
    attributes jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);

COMMENT ON COLUMN public.territories.boundary IS 'GeoJSON.';

CREATE INDEX territories_updated ON public.territories (updated_at, territory_id);

CREATE TABLE public.performance_history (
    site_id text NOT NULL,
    period date NOT NULL,
    measures jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, period)
);

COMMENT ON COLUMN public.performance_history.period IS 'First day of the period that the measures are of.';

CREATE INDEX performance_history_updated ON public.performance_history (updated_at, site_id);
