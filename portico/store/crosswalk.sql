-- name: standing
-- $1 tenant, $2 least assurance, $3 instant, $4 what the principal can claim: `relationship party`, $5 by which names
-- others mean them: `npi 1234567893`. Who was merged into another stands to nobody; the other bears what restricted
-- them (`former`), and nothing else of theirs. `offset 0` keeps the planner to look-ups, one patient after the other.
with reached as materialized ({reached})
select reached.patient::text, known.sources, known.source_ids, known.adolescent, told.visits, told.labels,
       case when court.forbids then '{}' else array(
            select bond.relationship
              from portico.bond
             where bond.tenant = $1
               and bond.patient = reached.patient
               and bond.assurance >= $2
               and bond.valid @> $3::timestamptz
               and bond.relationship || ' ' || bond.party = any($4::text[])) end as relationships,
       array(select consent.provision::text
               from portico.consent
              where consent.tenant = $1
                and consent.patient = any(former.patients || reached.patient)
                and consent.revoked_at is null
                and consent.valid @> $3::timestamptz
                and (consent.parties = '{}' or consent.parties && $5::text[])
                and (consent.patient = reached.patient or consent.provision ->> 'kind' <> 'permit')
              union all
             select consent.provision::text
               from unnest(known.sources || former.sources, known.source_ids || former.source_ids)
                    with ordinality as chart (source, source_id, place)
              cross join lateral (
                    select * from portico.source_consent as c
                     where c.tenant = $1 and c.source = chart.source and c.source_id = chart.source_id
                    offset 0) as consent
              where consent.valid @> $3::timestamptz
                and (consent.parties = '{}' or consent.parties && $5::text[])
                and (chart.place <= cardinality(known.sources) or consent.provision ->> 'kind' <> 'permit')
              union all
             select '{"kind": "deny"}' where court.forbids) as provisions
  from reached
 cross join lateral (
       select array_agg(link.source order by link.source, link.source_id) as sources,
              array_agg(link.source_id order by link.source, link.source_id) as source_ids,
              bool_or(coalesce(link.adolescent_at <= $3 and link.adult_at > $3, true))
                  filter (where link.rule = 'identity') as adolescent,
              bool_or(link.replaced_by is not null) filter (where link.rule = 'identity') as merged
         from portico.link
        where link.tenant = $1 and link.patient = reached.patient and link.assurance >= $2) as known
 cross join lateral (
       select coalesce(array_agg(link.patient), '{}') as patients,
              coalesce(array_agg(link.source), '{}') as sources,
              coalesce(array_agg(link.source_id), '{}') as source_ids
         from portico.link
        where link.tenant = $1 and link.merged_into = reached.patient) as former
 cross join lateral (
       select array_agg(label.visit) as visits, array_agg(label.label) as labels
         from unnest(known.sources || former.sources, known.source_ids || former.source_ids)
              as chart (source, source_id)
        cross join lateral (
              select * from portico.sensitivity as s
               where s.tenant = $1 and s.source = chart.source and s.source_id = chart.source_id
              offset 0) as label) as told
 cross join lateral (
       select exists (
              select from portico.exclusion
               where exclusion.tenant = $1
                 and exclusion.patient = any(former.patients || reached.patient)
                 and exclusion.valid @> $3::timestamptz
                 and exclusion.party = any($5::text[])) as forbids
       offset 0) as court
 where known.sources is not null and known.merged is not true
 order by reached.patient

-- name: reached_by_source_ids
-- $6 source, $7 its ids
select distinct patient from portico.link
 where tenant = $1 and source = $6 and source_id = any($7::text[]) and assurance >= $2

-- name: reached_by_patients
-- $6 canonical ids
select id as patient from portico.patient where tenant = $1 and id = any($6::uuid[])

-- name: reached_by_relationships
-- ($6, $7) the claims by the relationships asked for, $8 the patient after whom to go on, $9 how many. `offset 0` keeps
-- the planner from reading every bond of the tenant instead of those of each claim. Whoever is not to be reached is
-- left out here, before they are counted.
select distinct bond.patient
  from unnest($6::text[], $7::text[]) as claim (relationship, party)
 cross join lateral (
       select patient from portico.bond
        where bond.tenant = $1 and bond.relationship = claim.relationship and bond.party = claim.party
          and bond.assurance >= $2 and bond.valid @> $3::timestamptz
       offset 0) as bond
 where ($8::uuid is null or bond.patient > $8)
   and not exists (select from portico.link
                    where link.tenant = $1 and link.patient = bond.patient
                      and link.rule = 'identity' and link.replaced_by is not null)
   and not exists (select from portico.exclusion
                    where exclusion.tenant = $1
                      and exclusion.patient = any(
                          array(select link.patient from portico.link
                                 where link.tenant = $1 and link.merged_into = bond.patient) || bond.patient)
                      and exclusion.valid @> $3::timestamptz and exclusion.party = any($5::text[]))
 order by bond.patient
 limit $9

-- name: identify
select source_id, patient::text from portico.link
 where tenant = $1 and assurance >= $2 and source = $3 and source_id = any($4::text[])

-- name: lock
select pg_advisory_xact_lock(hashtextextended('portico.crosswalk:' || $1, 0))

-- name: links
select source, source_id, patient::text, assurance, rule from portico.link where tenant = $1
 order by source, source_id

-- name: add_patients
insert into portico.patient (tenant, id) select distinct $1, unnest($2::uuid[]) on conflict do nothing

-- name: drop_links
-- A canonical id is kept for good: links by the rule `identity` are only ever added.
delete from portico.link
 where tenant = $1 and source = any($2::text[]) and rule <> 'identity'
   and (source, source_id) not in (select * from unnest($3::text[], $4::text[]))

-- name: put_links
insert into portico.link as old (tenant, source, source_id, patient, assurance, rule)
select $1, * from unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::text[])
    on conflict (tenant, source, source_id) do update
   set patient = excluded.patient, assurance = excluded.assurance, rule = excluded.rule, made_at = now()
 where (old.patient, old.assurance, old.rule) <> (excluded.patient, excluded.assurance, excluded.rule)
   and old.rule <> 'identity'

-- name: drop_unlinked
delete from portico.unlinked
 where tenant = $1 and source = any($2::text[])
   and (source, source_id) not in (select * from unnest($3::text[], $4::text[]))

-- name: put_unlinked
insert into portico.unlinked as old (tenant, source, source_id, reason, candidates)
select $1, source, source_id, reason, coalesce(string_to_array(nullif(candidates, ''), ','), '{}')::uuid[]
  from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as new (source, source_id, reason, candidates)
    on conflict (tenant, source, source_id) do update
   set reason = excluded.reason, candidates = excluded.candidates, noticed_at = now()
 where (old.reason, old.candidates) <> (excluded.reason, excluded.candidates)

-- name: unlinked
select source, source_id, reason, candidates::text[], noticed_at from portico.unlinked where tenant = $1
 order by source, source_id

-- name: replace_relations
-- $1 tenant, $2 source, then columns. Both ends of a period are inclusive; one that ends before it begins never holds.
with wanted as (
    select distinct source_id, relationship, party, tstzrange(starts, ends, '[]') as valid
      from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
           as given (source_id, relationship, party, starts, ends)
     where starts is null or ends is null or starts <= ends
), dropped as (
    delete from portico.relation as old
     where tenant = $1 and source = $2
       and not exists (select from wanted
                        where (wanted.source_id, wanted.relationship, wanted.party, wanted.valid)
                            = (old.source_id, old.relationship, old.party, old.valid))
)
insert into portico.relation (tenant, source, source_id, relationship, party, valid)
select $1, $2, * from wanted
    on conflict do nothing

-- name: note_people
-- $1 tenant, $2 source, then columns.
update portico.link as old
   set adolescent_at = new.adolescent_at, adult_at = new.adult_at, died_at = new.died_at,
       replaced_by = new.replaced_by, merged_into = new.merged_into
  from (select source_id, adolescent_at, adult_at, case when deceased then coalesce(died_at, '-infinity') end as died_at,
               replaced_by, merged_into
          from unnest($3::text[], $4::timestamptz[], $5::timestamptz[], $6::bool[], $7::timestamptz[], $8::text[],
                      $9::uuid[])
               as given (source_id, adolescent_at, adult_at, deceased, died_at, replaced_by, merged_into)) as new
 where old.tenant = $1 and old.source = $2 and old.source_id = new.source_id
   and (old.adolescent_at, old.adult_at, old.died_at, old.replaced_by, old.merged_into)
       is distinct from (new.adolescent_at, new.adult_at, new.died_at, new.replaced_by, new.merged_into)

-- name: replace_labels
-- $1 tenant, $2 source, $3 the people who were heard of, then columns.
with wanted as (select distinct * from unnest($4::text[], $5::text[]) as given (source_id, label)), dropped as (
    delete from portico.sensitivity as old
     where tenant = $1 and source = $2 and visit = '' and source_id = any($3::text[])
       and not exists (select from wanted where (wanted.source_id, wanted.label) = (old.source_id, old.label))
)
insert into portico.sensitivity (tenant, source, source_id, visit, label)
select $1, $2, source_id, '', label from wanted
    on conflict do nothing

-- name: replace_visits
-- $1 tenant, $2 source, then columns.
with wanted as (
    select distinct * from unnest($3::text[], $4::text[], $5::text[]) as given (source_id, visit, label)
), dropped as (
    delete from portico.sensitivity as old
     where tenant = $1 and source = $2 and visit <> ''
       and not exists (select from wanted
                        where (wanted.source_id, wanted.visit, wanted.label) = (old.source_id, old.visit, old.label))
)
insert into portico.sensitivity (tenant, source, source_id, visit, label)
select $1, $2, * from wanted
    on conflict do nothing

-- name: grant_guardianship
insert into portico.guardianship (tenant, patient, guardian, valid, kind)
select $1, id, $3, case when $4::timestamptz > $5::timestamptz then 'empty' else tstzrange($4, $5, '[]') end, $6
  from portico.patient where tenant = $1 and id = $2::uuid
    on conflict (tenant, patient, guardian) do update
   set valid = excluded.valid, kind = excluded.kind
returning 1

-- name: revoke_guardianship
delete from portico.guardianship where tenant = $1 and patient = $2::uuid and guardian = $3
returning 1

-- name: exclude
insert into portico.exclusion (tenant, patient, party, valid)
select $1, id, $3, case when $4::timestamptz > $5::timestamptz then '(,)' else tstzrange($4, $5, '[]') end
  from portico.patient where tenant = $1 and id = $2::uuid
    on conflict (tenant, patient, party) do update
   set valid = excluded.valid
returning 1

-- name: lift_exclusion
delete from portico.exclusion where tenant = $1 and patient = $2::uuid and party = $3
returning 1
