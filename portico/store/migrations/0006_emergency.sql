-- Breaking the glass: emergency accesses, the alerts that tell of them, and what the audit trail says of commands.

create table portico.emergency_access (
    tenant text collate "C" not null,
    id uuid not null,
    subject text collate "C" not null check (subject <> ''),
    roles text[] not null,
    patient uuid not null,
    reason text not null,
    started_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > started_at and ends_at <= started_at + interval '60 minutes'),
    ended_at timestamptz,
    ended_by text,
    reviewed_at timestamptz,
    reviewer text check (reviewer <> subject),
    verdict text check (verdict in ('justified', 'unjustified', 'inconclusive')),
    note text,
    primary key (tenant, id),
    foreign key (tenant, patient) references portico.patient (tenant, id),
    check ((ended_at is null) = (ended_by is null)),
    check ((reviewed_at is null) = (reviewer is null) and (reviewed_at is null) = (verdict is null))
);
create index emergency_access_by_patient on portico.emergency_access (tenant, patient, started_at);
create index emergency_access_by_subject on portico.emergency_access (tenant, subject, started_at);
create index emergency_access_by_start on portico.emergency_access (tenant, started_at, id);

-- Declarations for somebody whom the tenant doesn't know: guesses, or slips. As many are borne in a day as emergencies.
create table portico.emergency_miss (
    tenant text collate "C" not null check (tenant <> ''),
    subject text collate "C" not null check (subject <> ''),
    missed_at timestamptz not null
);
create index emergency_miss_by_subject on portico.emergency_miss (tenant, subject, missed_at);

-- Alerts on their way to the tenants' receivers, written with what they tell of. `id` is the same at every attempt.
create table portico.alert (
    tenant text collate "C" not null check (tenant <> ''),
    id uuid not null,
    body text not null,
    created_at timestamptz not null default now(),
    attempts integer not null default 0,
    due_at timestamptz not null default now(),
    delivered_at timestamptz,
    primary key (tenant, id)
);
create index alert_due on portico.alert (due_at) where delivered_at is null;

-- An access in force is one more way to stand to a patient. It counts from a minute before it began, since the clocks of
-- two servers may be apart and nobody can know of it earlier; it ends to the instant, and once ended it is none.
create or replace view portico.bond with (security_invoker = true) as
    select * from portico.lasting_bond
    union all
    select tenant, patient, 'emergency', subject, tstzrange(started_at - interval '1 minute', ends_at, '[)'), 3::smallint
      from portico.emergency_access
     where ended_at is null;

-- What was declared is never changed, and an end and a review are added once: the columns say the first, the queries
-- the second.
grant select, insert, update (ended_at, ended_by, reviewed_at, reviewer, verdict, note)
   on portico.emergency_access to portico_app;
grant select, insert, delete on portico.emergency_miss to portico_app;
grant select, insert, update (attempts, due_at, delivered_at) on portico.alert to portico_app;

-- The entry about a command says which it was; entries from before there were commands hold nothing there.
alter table portico.audit add column command text, add column refusal text, add column target text;

-- Declares an emergency: the access, the alert and the audit row at once, or none of them. The same declaration again,
-- because its answer was lost, is the same access.
create function portico.declare_emergency(
    of_tenant text, new_id uuid, by_subject text, by_roles text[], for_patient uuid, why text,
    moment timestamptz, minutes integer, per_day integer, entry text, alert_body text) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    since timestamptz := moment - interval '24 hours';
begin
    -- A principal's declarations take turns, so that two at once can't both be the last of a day.
    perform pg_advisory_xact_lock(hashtextextended('portico.emergency:' || of_tenant || ':' || by_subject, 0));
    if exists (select from portico.emergency_access where tenant = of_tenant and id = new_id) then
        return 'declared';
    end if;
    delete from portico.emergency_miss where tenant = of_tenant and subject = by_subject and missed_at <= since;
    if (select count(*) from portico.emergency_access
         where tenant = of_tenant and subject = by_subject and started_at > since) >= per_day
       or (select count(*) from portico.emergency_miss
            where tenant = of_tenant and subject = by_subject) >= per_day then
        return 'daily_limit';
    end if;
    insert into portico.emergency_access (tenant, id, subject, roles, patient, reason, started_at, ends_at)
    select of_tenant, new_id, by_subject, by_roles, patient.id, why, moment, moment + make_interval(mins => minutes)
      from portico.patient
     where patient.tenant = of_tenant and patient.id = for_patient
       and not exists (select from portico.link
                        where link.tenant = of_tenant and link.patient = for_patient
                          and link.rule = 'identity' and link.replaced_by is not null);
    if not found then
        insert into portico.emergency_miss (tenant, subject, missed_at) values (of_tenant, by_subject, moment);
        return 'unknown_patient';
    end if;
    insert into portico.alert (tenant, id, body) values (of_tenant, new_id, alert_body);
    perform portico.audit_append(array[entry]);
    return 'declared';
end
$$;

revoke execute on function portico.declare_emergency(
    text, uuid, text, text[], uuid, text, timestamptz, integer, integer, text, text) from public;
grant execute on function portico.declare_emergency(
    text, uuid, text, text[], uuid, text, timestamptz, integer, integer, text, text) to portico_app;
