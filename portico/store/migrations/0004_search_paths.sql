-- Unless a search path says otherwise, PostgreSQL looks for types and tables in the caller's temporary schema first:
-- whoever logs in as the application could have the owner's functions run their own code. Here it comes last, and the
-- application may make nothing temporary in the first place.

alter function portico.unsafe_settings() set search_path = pg_catalog, pg_temp;
alter function portico.refuse_change() set search_path = pg_catalog, pg_temp;
alter function portico.audit_partition(timestamptz) set search_path = pg_catalog, pg_temp;
alter function portico.audit_append(text[]) set search_path = pg_catalog, pg_temp;

do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;
