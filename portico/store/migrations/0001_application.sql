-- The role that the server logs in as. It owns nothing and can change no definition; an operator gives it a password.
do $$
begin
    if not exists (select from pg_roles where rolname = 'portico_app') then
        create role portico_app login;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster was migrated in the same moment
end
$$;

revoke all on schema portico from public;
grant usage on schema portico to portico_app;
grant select on portico.migration to portico_app;

-- Names the settings by which this database could lose what it has acknowledged; null when it is safe.
-- `local` is among them: it doesn't wait for the standby that may have to take over.
create function portico.unsafe_settings() returns text[]
language sql stable set search_path = pg_catalog as $$
    select array_agg(name order by name)
      from (values ('fsync', current_setting('fsync') = 'on'),
                   ('full_page_writes', current_setting('full_page_writes') = 'on'),
                   ('synchronous_commit', current_setting('synchronous_commit') in ('on', 'remote_apply')))
           as setting (name, safe)
     where not safe
$$;

revoke execute on function portico.unsafe_settings() from public;
grant execute on function portico.unsafe_settings() to portico_app;
