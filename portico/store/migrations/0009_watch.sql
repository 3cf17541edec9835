-- Who tries to see whom, and how many: what the watcher needs, and the brakes that it puts on.

-- Watched patients whom somebody asked for by name and may not see. Entries without any hold nothing.
alter table portico.audit add column attempts text[];

-- How many patients a subject was told about in a while.
create index audit_told on portico.audit (tenant, subject, recorded_at)
    where outcome in ('released', 'partial') and patients <> '{}';

-- Up to which row of a tenant's chain the watcher has looked.
create table portico.watch_cursor (
    tenant text collate "C" primary key check (tenant <> ''),
    number bigint not null
);

-- Until when a subject is slowed: one request is admitted, and then none for the pace's time.
create table portico.brake (
    tenant text collate "C" not null check (tenant <> ''),
    subject text collate "C" not null check (subject <> ''),
    since timestamptz not null default clock_timestamp(),
    until timestamptz not null,
    pace_seconds double precision not null check (pace_seconds > 0),
    admitted_at timestamptz not null default clock_timestamp(),
    primary key (tenant, subject, since)
);
create index brake_until on portico.brake (until);

grant select, insert, update (number) on portico.watch_cursor to portico_app;
grant select, insert, update (admitted_at) on portico.brake to portico_app;
