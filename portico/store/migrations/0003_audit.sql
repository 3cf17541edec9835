-- What was released to whom: chains of rows, one a tenant, that only ever grow. `portico/audit` tells what is hashed.

create table portico.audit (
    tenant text collate "C" not null,
    number bigint not null,
    recorded_at timestamptz not null,
    request_id text not null,
    subject text not null,
    kind text not null,
    roles text[] not null,
    purpose text not null,
    client text not null,
    operation text not null,
    operation_name text,
    patients uuid[] not null,
    released text[] not null,
    masked text[] not null,
    withheld text[] not null,
    sources text[] not null,
    policy_revision text not null,
    decision_ids text[] not null,
    outcome text not null,
    at timestamptz not null,
    digest bytea not null,
    hash bytea not null,
    primary key (tenant, number, recorded_at)
) partition by range (recorded_at);
create index audit_by_patient on portico.audit using gin (patients);
create index audit_by_digest on portico.audit (digest);

-- The last row of every chain. Its row lock is what makes writers take turns; it shows where a chain was cut.
create table portico.audit_head (
    tenant text collate "C" primary key check (tenant <> ''),
    number bigint not null,
    hash bytea not null,
    recorded_at timestamptz not null
);

create function portico.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'audit rows are never changed' using errcode = 'insufficient_privilege';
end
$$;

create trigger append_only before update or delete or truncate on portico.audit
    for each statement execute function portico.refuse_change();
alter table portico.audit enable always trigger append_only;

-- Makes the partition of a moment's month where there is none, without waiting for writers and readers.
create function portico.audit_partition(moment timestamptz) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    month timestamptz := date_trunc('month', moment, 'UTC');
    partition text := 'audit_' || to_char(month at time zone 'UTC', 'YYYY_MM');
    persistence "char";
begin
    select relpersistence into persistence from pg_class where oid = to_regclass('portico.' || partition);
    if persistence = 'p' then
        return;
    elsif persistence is not null then
        raise exception 'unlogged table' using errcode = 'PA001';
    end if;
    -- One maker at a time. It takes a lock on a table, not an advisory one, to learn what others made meanwhile.
    lock table portico.audit in share update exclusive mode;
    if to_regclass('portico.' || partition) is not null then
        return;
    end if;
    execute format('create table portico.%I (like portico.audit including all)', partition);
    execute format('create trigger append_only before update or delete or truncate on portico.%I
                    for each statement execute function portico.refuse_change()', partition);
    execute format('alter table portico.%I enable always trigger append_only', partition);
    execute format('alter table portico.audit attach partition portico.%I for values from (%L) to (%L)',
                   partition, month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
end
$$;

-- Appends entries in their canonical encoding and gives their numbers, in the same order. An entry that was appended
-- within the last day keeps its number, so that a call whose answer was lost can be made again. SQLSTATE PA001:
-- the database could lose what it acknowledges. (Its plans outlive the time when a partition was small: they must use
-- the index from the start.)
create function portico.audit_append(entries text[]) returns bigint[]
language plpgsql security definer set search_path = pg_catalog set enable_seqscan = off as $$
declare
    unsafe text[] := portico.unsafe_settings();
    numbers bigint[] := array_fill(null::bigint, array[cardinality(entries)]);
    head portico.audit_head;
    entry portico.audit;
    place bigint;
    content jsonb;
    known bigint;
begin
    if unsafe is not null then
        raise exception '%', array_to_string(unsafe, ', ') using errcode = 'PA001';
    end if;
    -- Pinned until the commit, whatever configuration is loaded in between.
    perform set_config('synchronous_commit', current_setting('synchronous_commit'), true);
    perform portico.audit_partition(clock_timestamp());
    perform portico.audit_partition(clock_timestamp() + interval '1 month');

    -- All writers lock the chains in the same order, so that none waits for another in a circle.
    for place, content in
        select ordinality, encoded::jsonb
          from unnest(entries) with ordinality as given (encoded, ordinality)
         order by encoded::jsonb ->> 'tenant' collate "C", ordinality
    loop
        entry := jsonb_populate_record(null::portico.audit, content);
        if head.tenant is distinct from entry.tenant then
            update portico.audit_head as old
               set number = head.number, hash = head.hash, recorded_at = head.recorded_at
             where tenant = head.tenant and old.number < head.number;
            insert into portico.audit_head (tenant, number, hash, recorded_at)
            values (entry.tenant, 0, decode(repeat('00', 32), 'hex'), '-infinity')
                on conflict do nothing;
            select * into strict head from portico.audit_head where tenant = entry.tenant for update;
            head.recorded_at := greatest(clock_timestamp(), head.recorded_at);
            perform portico.audit_partition(head.recorded_at);
        end if;

        entry.digest := sha256(convert_to(entries[place], 'UTF8'));
        select number into known
          from portico.audit
         where digest = entry.digest and recorded_at >= head.recorded_at - interval '1 day';
        if known is null then
            head.number := head.number + 1;
            head.hash := sha256(head.hash || int8send(head.number)
                                || int8send((extract(epoch from head.recorded_at) * 1000000)::bigint) || entry.digest);
            entry.number := head.number;
            entry.recorded_at := head.recorded_at;
            entry.hash := head.hash;
            insert into portico.audit select entry.*;
            known := head.number;
        end if;
        numbers[place] := known;
    end loop;

    update portico.audit_head as old
       set number = head.number, hash = head.hash, recorded_at = head.recorded_at
     where tenant = head.tenant and old.number < head.number;
    return numbers;
end
$$;

revoke execute on function portico.refuse_change() from public;
revoke execute on function portico.audit_partition(timestamptz) from public;
revoke execute on function portico.audit_append(text[]) from public;
grant execute on function portico.audit_append(text[]) to portico_app;
grant select on portico.audit, portico.audit_head to portico_app;
