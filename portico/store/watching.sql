-- name: claim
-- One process looks at a tenant's chain at a time; the lock ends with the transaction.
select pg_try_advisory_xact_lock(hashtextextended('portico.watch:' || $1, 0)) as mine

-- name: begin
-- Whoever looks for the first time begins with what is written from now on.
insert into portico.watch_cursor (tenant, number)
select $1, coalesce((select number from portico.audit_head where tenant = $1), 0)
    on conflict do nothing

-- name: rows
-- $1 tenant, $2 how many
select number, recorded_at, request_id, subject, roles, client, purpose, attempts,
       outcome in ('released', 'partial') and patients <> '{}' as tells
  from portico.audit
 where tenant = $1 and number > (select number from portico.watch_cursor where tenant = $1)
 order by number
 limit $2

-- name: exceeding
-- $1 tenant, $2 subjects, $3 the last row of each, $4 seconds, $5 patients; whoever is slowed already is left out
select asked.subject, count(distinct told.patient) as patients
  from unnest($2::text[], $3::timestamptz[]) as asked (subject, last)
 cross join lateral (
    select unnest(patients) as patient
      from portico.audit
     where tenant = $1 and subject = asked.subject and recorded_at <= asked.last
       and recorded_at > asked.last - make_interval(secs => $4)
       and outcome in ('released', 'partial') and patients <> '{}') as told
 where not exists (select from portico.brake
                    where tenant = $1 and brake.subject = asked.subject and until > clock_timestamp())
 group by asked.subject
having count(distinct told.patient) > $5

-- name: brake
-- $1 tenant, $2 subject, $3 seconds, $4 pace
insert into portico.brake (tenant, subject, until, pace_seconds)
values ($1, $2, clock_timestamp() + make_interval(secs => $3), $4)
returning until

-- name: alert
insert into portico.alert (tenant, id, body) values ($1, $2::uuid, $3) on conflict do nothing

-- name: advance
update portico.watch_cursor set number = $2 where tenant = $1
