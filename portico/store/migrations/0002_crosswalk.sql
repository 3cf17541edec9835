-- Who is whom: one canonical id a patient, and the ids by which the sources know them.

create table portico.patient (
    tenant text collate "C" not null check (tenant <> ''),
    id uuid not null,
    created_at timestamptz not null default now(),
    primary key (tenant, id)
);

create table portico.link (
    tenant text collate "C" not null,
    source text collate "C" not null,
    source_id text collate "C" not null,
    patient uuid not null,
    assurance smallint not null check (assurance between 1 and 3),
    rule text collate "C" not null,
    made_at timestamptz not null default now(),
    primary key (tenant, source, source_id),
    foreign key (tenant, patient) references portico.patient (tenant, id)
);
create index link_by_patient on portico.link (tenant, patient);

create table portico.unlinked (
    tenant text collate "C" not null check (tenant <> ''),
    source text collate "C" not null,
    source_id text collate "C" not null,
    reason text collate "C" not null,
    candidates uuid[] not null,
    noticed_at timestamptz not null default now(),
    primary key (tenant, source, source_id)
);

-- What the sources vouch for, by their own ids: a relation reaches a patient only through a link, at the time of asking.
create table portico.relation (
    tenant text collate "C" not null check (tenant <> ''),
    source text collate "C" not null,
    source_id text collate "C" not null,
    relationship text collate "C" not null check (relationship in ('care_team', 'scheduled', 'same_organization')),
    party text collate "C" not null check (party <> ''),
    valid tstzrange not null,
    primary key (tenant, source, source_id, relationship, party, valid)
);
create index relation_by_party on portico.relation (tenant, relationship, party);

-- What Portico itself knows: `guardian` is the token subject of a person who acts for the patient.
create table portico.guardianship (
    tenant text collate "C" not null,
    patient uuid not null,
    guardian text collate "C" not null check (guardian <> ''),
    valid tstzrange not null,
    primary key (tenant, patient, guardian),
    foreign key (tenant, patient) references portico.patient (tenant, id)
);
create index guardianship_by_guardian on portico.guardianship (tenant, guardian);

-- Every way in which a party stands to a patient, with the assurance of the link that it rests on.
create view portico.bond with (security_invoker = true) as
    select tenant, patient, 'self' as relationship, source_id as party, '(,)'::tstzrange as valid, assurance
      from portico.link
     where rule = 'identity'
    union all
    select tenant, l.patient, r.relationship, r.party, r.valid, l.assurance
      from portico.relation r
      join portico.link l using (tenant, source, source_id)
    union all
    select tenant, patient, 'guardian', guardian, valid, 3::smallint
      from portico.guardianship;

grant select, insert on portico.patient to portico_app;
grant select, insert, update, delete on portico.link, portico.unlinked, portico.relation, portico.guardianship
   to portico_app;
grant select on portico.bond to portico_app;
