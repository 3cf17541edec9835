-- name: append
-- $1 entries in their canonical encoding
select unnest(portico.audit_append($1::text[])) as number

-- name: heads
-- $1 one tenant, or null for all: rows without a head are found too
select coalesce(head.tenant, chain.tenant) as tenant, coalesce(head.number, 0) as number, head.hash
  from portico.audit_head as head
  full join (select distinct tenant from portico.audit where $1::text is null or tenant = $1) as chain using (tenant)
 where $1::text is null or coalesce(head.tenant, chain.tenant) = $1
 order by 1

-- name: chain
select *, patients::text[] as patient_ids,
       tableoid = to_regclass('portico.audit_' || to_char(recorded_at at time zone 'UTC', 'YYYY_MM')) as filed
  from portico.audit
 where tenant = $1
 order by number, recorded_at

-- name: seen
-- The index by patient finds the rows; the limit must not tempt the planner to walk the chain instead.
with hit as materialized (
    select *, patients::text[] as patient_ids from portico.audit where patients @> array[$2::uuid] and tenant = $1)
select * from hit order by number desc limit $3
