-- name: off
-- and on whom a brake is
select tenant, kind, name from portico.switch where on_at is null
 union all
select tenant, null, subject from portico.brake where until > clock_timestamp()

-- name: admit
-- $1 tenant, $2 subject
update portico.brake
   set admitted_at = clock_timestamp()
 where tenant = $1 and subject = $2 and until > clock_timestamp()
   and admitted_at + make_interval(secs => pace_seconds) <= clock_timestamp()
returning subject

-- name: wait
-- $1 tenant, $2 subject
select extract(epoch from least(until, admitted_at + make_interval(secs => pace_seconds)) - clock_timestamp())::float8
       as seconds
  from portico.brake
 where tenant = $1 and subject = $2 and until > clock_timestamp()

-- name: turn_off
-- $1 tenant, $2 kind, $3 name, $4 instant, $5 by whom, $6 why, $7 audit entry
with turned as (
    insert into portico.switch (tenant, kind, name, off_at, off_by, reason)
    values ($1, $2, $3, $4, $5, $6)
        on conflict do nothing
 returning tenant)
select portico.audit_append(array[$7::text]) as recorded from turned

-- name: turn_on
-- $1 tenant, $2 kind, $3 name, $4 instant, $5 by whom, $6 audit entry
with turned as (
    update portico.switch
       set on_at = greatest($4, off_at), on_by = $5
     where tenant = $1 and kind = $2 and name = $3 and on_at is null
 returning tenant)
select portico.audit_append(array[$6::text]) as recorded from turned

-- name: latest
select off_at, off_by, on_at, on_by
  from portico.switch
 where tenant = $1 and kind = $2 and name = $3
 order by off_at desc
 limit 1

-- name: history
select * from portico.switch order by off_at desc, tenant, kind, name
