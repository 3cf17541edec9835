-- What operators have turned off: for one tenant each, a source, a field, a subject, a client, or all of it.

create table portico.switch (
    tenant text collate "C" not null check (tenant <> ''),
    kind text collate "C" not null check (kind in ('tenant', 'source', 'field', 'subject', 'client')),
    name text collate "C" not null check (name <> ''),
    off_at timestamptz not null,
    off_by text not null check (off_by <> ''),
    reason text not null check (reason <> ''),
    on_at timestamptz check (on_at >= off_at),
    on_by text,
    primary key (tenant, kind, name, off_at),
    check ((on_at is null) = (on_by is null))
);
-- The read of every request looks here and nowhere else.
create unique index switch_off on portico.switch (tenant, kind, name) where on_at is null;

-- A row says once that something was turned off and once that it was turned on again; nothing else of it changes.
create function portico.refuse_second_turn() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'what was turned on again stays so; turning it off is a new row'
        using errcode = 'insufficient_privilege';
end
$$;
revoke execute on function portico.refuse_second_turn() from public;
create trigger turned_once before update on portico.switch
    for each row when (old.on_at is not null or new.on_at is null)
    execute function portico.refuse_second_turn();

grant select, insert, update (on_at, on_by) on portico.switch to portico_app;
