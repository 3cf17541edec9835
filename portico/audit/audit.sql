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

-- name: merged
-- The charts that were merged into one of the patients $2. What was told of those was told of these.
select merged_into::text as patient, patient::text as merged
  from portico.link where tenant = $1 and merged_into = any ($2::uuid[])

-- name: accesses
-- $2 charts, $3 for each the number to go on before, or null. Each chart is looked up in the index by itself, and the
-- limit must not tempt the planner here either.
select asked.place, told.*
  from unnest($2::uuid[], $3::bigint[]) with ordinality as asked (chart, before, place)
 cross join lateral (
    with hit as materialized (
        select *, patients::text[] as patient_ids
          from portico.audit
         where patients @> array[asked.chart] and tenant = $1 and number < coalesce(asked.before, 9223372036854775807)
           and recorded_at >= coalesce($4::timestamptz, '-infinity')
           and recorded_at < coalesce($5::timestamptz, 'infinity')
           and purpose <> all ($6::text[]) and outcome in ('released', 'partial'))
    select * from hit order by number desc limit $7) as told

-- name: newest
select tenant, number, hash, recorded_at from portico.audit_head where number > 0 order by tenant

-- name: hashes
select number, hash from portico.audit where tenant = $1 and number = any ($2::bigint[])
