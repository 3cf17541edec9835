-- name: declare
select portico.declare_emergency($1, $2::uuid, $3, $4::text[], $5::uuid, $6, $7, $8, $9, $10, $11) as outcome

-- name: exhausted
-- $1 tenant, $2 subject, $3 since when, $4 how many a day; as `declare` counts
select (select count(*) from portico.emergency_access
         where tenant = $1 and subject = $2 and started_at > $3) >= $4::bigint
    or (select count(*) from portico.emergency_miss
         where tenant = $1 and subject = $2 and missed_at > $3) >= $4::bigint as exhausted

-- name: end
-- $1 tenant, $2 access, $3 by whom, $4 instant, $5 audit entry
with ended as (
    update portico.emergency_access
       set ended_at = $4, ended_by = $3
     where tenant = $1 and id = $2::uuid and ended_at is null and ends_at > $4
 returning *)
select ended.*, ended.id::text as access, ended.patient::text as about, portico.audit_append(array[$5::text]) as recorded
  from ended

-- name: review
-- $1 tenant, $2 access, $3 reviewer, $4 instant, $5 audit entry, $6 verdict, $7 note
with reviewed as (
    update portico.emergency_access
       set reviewed_at = $4, reviewer = $3, verdict = $6, note = $7
     where tenant = $1 and id = $2::uuid and reviewed_at is null and subject <> $3
 returning *)
select reviewed.*, reviewed.id::text as access, reviewed.patient::text as about,
       portico.audit_append(array[$5::text]) as recorded
  from reviewed

-- name: accesses
select *, id::text as access, patient::text as about
  from portico.emergency_access
 where tenant = $1 and id = any($2::uuid[])

-- name: accesses_of
select *, id::text as access, patient::text as about
  from portico.emergency_access
 where tenant = $1 and patient = any($2::uuid[])
 order by started_at desc, id desc

-- name: queue
-- $1 tenant, $2 patients or null, $3 reviewed or null, ($4, $5) when what to go on after began and its id, or nulls;
-- without the first the order is by id alone. $6 whether it is by time, $7 how many
select *, id::text as access, patient::text as about
  from portico.emergency_access
 where tenant = $1
   and ($2::uuid[] is null or patient = any($2))
   and ($3::boolean is null or (reviewed_at is not null) = $3)
   and ($5::uuid is null or (coalesce($4::timestamptz, '-infinity'), $5) {after}
                          (case when $4 is null then '-infinity'::timestamptz else started_at end, id))
 order by case when $6::boolean then started_at end {direction}, id {direction}
 limit $7
