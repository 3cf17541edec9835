-- What changes with time and with what patients say: ages, deaths, merges, labels, consents, exclusions.

-- What a record tells about its person, beside who they are; of ages, death and merges the identity record's counts.
alter table portico.link
    add column adolescent_at timestamptz,
    add column adult_at timestamptz,
    add column died_at timestamptz,  -- '-infinity': they died, nobody knows when
    add column replaced_by text collate "C",
    add column merged_into uuid;  -- the patient at the end of the chain of merges; null: none that is known
create index link_merged on portico.link (tenant, patient) where replaced_by is not null;
create index link_by_survivor on portico.link (tenant, merged_into) where merged_into is not null;

-- What a source says is sensitive: a whole person where the visit is empty, else that visit. By the source's own ids.
create table portico.sensitivity (
    tenant text collate "C" not null check (tenant <> ''),
    source text collate "C" not null,
    source_id text collate "C" not null,
    visit text collate "C" not null,
    label text collate "C" not null check (label <> ''),
    primary key (tenant, source, source_id, visit, label)
);

-- What patients told a source, by the source's own ids: what it tells now, without a history.
create table portico.source_consent (
    tenant text collate "C" not null check (tenant <> ''),
    source text collate "C" not null,
    source_id text collate "C" not null,
    consent_id text collate "C" not null,
    provision jsonb not null check (provision ->> 'kind' in ('permit', 'deny', 'opt_in')),
    parties text[] collate "C" not null,
    valid tstzrange not null,
    noticed_at timestamptz not null default now()
);
create index source_consent_by_patient on portico.source_consent (tenant, source, source_id);

-- What patients told Portico. Rows are only ever added; a revocation is written into its row once.
create table portico.consent (
    tenant text collate "C" not null,
    id uuid not null,
    patient uuid not null,
    provision jsonb not null check (provision ->> 'kind' in ('permit', 'deny', 'opt_in')),
    parties text[] collate "C" not null,
    valid tstzrange not null,
    recorded_at timestamptz not null default clock_timestamp(),
    recorded_by text collate "C" not null check (recorded_by <> ''),
    revoked_at timestamptz,
    revoked_by text collate "C",
    primary key (tenant, id),
    foreign key (tenant, patient) references portico.patient (tenant, id)
);
create index consent_by_patient on portico.consent (tenant, patient);

create function portico.refuse_second_revocation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'a consent is revoked once, and nothing else of it changes' using errcode = 'insufficient_privilege';
end
$$;
revoke execute on function portico.refuse_second_revocation() from public;
create trigger revoked_once before update on portico.consent
    for each row when (old.revoked_at is not null or new.revoked_at is null)
    execute function portico.refuse_second_revocation();

-- By order of a court: a party that stands in no relationship to the patient, whatever else is known.
create table portico.exclusion (
    tenant text collate "C" not null,
    patient uuid not null,
    party text collate "C" not null check (party ~ '^(npi|organization|subject) '),
    valid tstzrange not null,
    primary key (tenant, patient, party),
    foreign key (tenant, patient) references portico.patient (tenant, id)
);

alter table portico.guardianship
    add column kind text collate "C" not null default 'guardian' check (kind in ('guardian', 'proxy'));

-- What a source vouches for, and what Portico keeps for long, with the assurance of the link that it rests on.
-- Life and minority end at an instant that is no part of them any more; least() passes over what is not known to come.
create view portico.lasting_bond with (security_invoker = true) as
    select tenant, patient, 'self' as relationship, source_id as party, tstzrange(null, died_at, '()') as valid, assurance
      from portico.link
     where rule = 'identity'
    union all
    select tenant, l.patient, r.relationship, r.party, r.valid, l.assurance
      from portico.relation r
      join portico.link l using (tenant, source, source_id)
    union all
    select tenant, patient, 'guardian', g.guardian,
           case when g.kind = 'guardian' and l.adult_at is null then 'empty'
                else g.valid * tstzrange(null, least(case g.kind when 'guardian' then l.adult_at end, l.died_at), '()')
           end,
           3::smallint
      from portico.guardianship g
      join portico.link l using (tenant, patient)
     where l.rule = 'identity';

-- Every way in which a party stands to a patient. A further one is a further `union all`.
create or replace view portico.bond with (security_invoker = true) as
    select * from portico.lasting_bond;

grant select, insert, update, delete on portico.sensitivity, portico.source_consent, portico.exclusion to portico_app;
grant select, insert, update (revoked_at, revoked_by) on portico.consent to portico_app;
grant select on portico.lasting_bond to portico_app;
