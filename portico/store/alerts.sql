-- name: take
-- $1 tenants, $2 how many, $3 seconds for which they are nobody else's. Run again because its answer was lost, it takes
-- others; the first ones come back when their lease is over.
with due as (
    select tenant, id
      from portico.alert
     where delivered_at is null and due_at <= clock_timestamp() and tenant = any($1::text[])
     order by due_at
     limit $2
       for update skip locked
)
update portico.alert as taken
   set attempts = taken.attempts + 1, due_at = clock_timestamp() + make_interval(secs => $3)
  from due
 where (taken.tenant, taken.id) = (due.tenant, due.id)
returning taken.tenant, taken.id::text as alert, taken.body, taken.created_at, taken.attempts

-- name: acknowledge
update portico.alert set delivered_at = clock_timestamp() where tenant = $1 and id = $2::uuid and delivered_at is null

-- name: postpone
update portico.alert
   set due_at = clock_timestamp() + make_interval(secs => $3)
 where tenant = $1 and id = $2::uuid and delivered_at is null

-- name: waiting
select count(*) as waiting from portico.alert where delivered_at is null and tenant = any($1::text[])
