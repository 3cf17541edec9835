from __future__ import annotations
import asyncio, os
from dataclasses import replace
import pytest
from portico.access.engine import Rule, Verdict
from portico.records.errors import SourceUnavailable
from portico.records.references import RecordType, SourceName, Reference, By
from portico.records.types import *
from sandbox.population.planted import Planted
from tests.contract.truth import Truth
from tests.house import *

def labelled(*labels):
    def distort(source, truth):
        if source != EHR: return truth
        return replace(truth, records=tuple(replace(r, labels=frozenset(labels)) if isinstance(r, Patient) and r.id.value==PICK[0] else r for r in truth.records))
    return distort
PICK=[None]

async def test_decision_id_does_not_tell_label():
    async with memory_house(explain=False) as h:
        people=[p for p in h.populations["riverbend"].people if p.ehr_id]
    async def ids(house):
        a = await house.ask("biller","{ patients(first:100) { edges { node { id } } } }")
        names=[e["node"]["id"] for e in a["data"]["patients"]["edges"]]
        out=set()
        for n in names:
            b=await house.ask("biller","query($id:ID!){patient(id:$id){id phone}}",id=n)
            out.add(b["errors"][0]["extensions"]["decisionId"])
        return out
    async with memory_house(explain=False) as h:
        print("plain", await ids(h))
    PICK[0]=people[3].ehr_id
    def d(source,truth):
        if source!=EHR: return truth
        return replace(truth, records=tuple(replace(r, labels=frozenset({"R"})) if isinstance(r, Patient) and int(r.id.value[-1],36)%2==0 else r for r in truth.records))
    async with memory_house(explain=False, distort=d) as h:
        s=await ids(h); print("labelled", s); assert len(s)==1

async def test_filter_existence():
    async with memory_house(explain=True) as h:
        h.sources["riverbend"][SCHEDULING].failure=SourceUnavailable("scheduling")
        nobody = h.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")
        q="query($p:ID!){appointments(filter:{patient:$p}){edges{cursor}}}"
        for persona in ("front-desk","physician","researcher","biller"):
            hidden=None
            for p in h.populations["riverbend"].people:
                if not p.ehr_id: continue
                n=await h.patient_name(p.key)
                r=await h.ask(persona,"query($p:ID!){patient(id:$p){id}}",p=n)
                if r["data"]["patient"] is None: hidden=n;break
            if hidden is None: print(persona,'sees all'); continue
            a=await h.ask(persona,q,p=hidden); b=await h.ask(persona,q,p=nobody)
            for x in (a,b): x["extensions"]["portico"].pop("requestId")
            print(persona,a,b)

async def test_mixed_revision():
    async with memory_house() as h:
        def twist(rule, v):
            if rule is Rule.CEILING:
                return Verdict({t:{"tags":[x for x in r["tags"] if x!="CONTACT"],"coordinates":{}} for t,r in v.result.items()}, "old", v.decision_id)
            return v
        h.engine.twist=twist
        print(await h.ask("physician","{patients(first:2){edges{node{phone}}}}"))

async def test_cursor_lengths():
    def hidden(source,truth):
        if source!=EHR: return truth
        pts=sorted((r for r in truth.records if isinstance(r,Patient)), key=lambda r:r.id.value)
        hid={r.id for r in pts[:15]}
        return replace(truth, records=tuple(replace(r, labels=frozenset({"V"})) if r.id in hid else r for r in truth.records))
    async with memory_house(distort=hidden) as h:
        a=await h.ask("researcher","{patients(first:3){edges{cursor}}}")
        print([len(e["cursor"]) for e in a["data"]["patients"]["edges"]])
    async with memory_house() as h:
        a=await h.ask("researcher","{patients(first:3){edges{cursor}}}")
        print([len(e["cursor"]) for e in a["data"]["patients"]["edges"]])

async def test_hidden_twin():
    """own labelled appointment shares the visit number with a visible one"""
    def twin(extra):
        def d(source,truth):
            if source!=SCHEDULING: return truth
            recs=list(truth.records)
            ap=[r for r in recs if isinstance(r,Appointment) and r.visit]
            new=[replace(a,id=replace(a.id,value=a.id.value+"-h"),labels=frozenset({"V"})) for a in ap] if extra else []
            return replace(truth,records=tuple(recs+new))
        return d
    async with memory_house(explain=False,distort=twin(False)) as a, memory_house(explain=False,distort=twin(True)) as b:
        for q in ("{patients(first:3){edges{node{claims{edges{node{appointment{start}}}}}}}}",
                  "{patients(first:3){edges{node{appointments{edges{node{start}}} claims{edges{node{appointment{start}}}}}}}}",
                  "{appointments(first:3){edges{node{start encounter{period{start}} claims{edges{node{appointment{start}}}}}}}}"):
            x=await a.ask("physician",q); y=await b.ask("physician",q)
            print(x["data"]==y["data"], x.get("errors"), y.get("errors"))
            if x!=y: print(x,"\n",y)

async def test_hidden_stranger():
    def strange(labels, present):
        def d(source,truth):
            if source!=BILLING: return truth
            recs=list(truth.records)
            cl=[r for r in recs if isinstance(r,Claim)]
            own=cl[0]; other=next(c for c in cl if c.subject!=own.subject)
            recs.remove(own)
            if present: recs.append(replace(other,id=replace(other.id,value="C-x"),visit=own.visit,labels=frozenset(labels)))
            return replace(truth,records=tuple(recs))
        return d
    q="query($id:ID!){patient(id:$id){appointments{edges{node{claims{edges{node{id}}}}}}}}"
    async with memory_house(explain=False,distort=strange(["X"],True)) as a, memory_house(explain=False,distort=strange([],False)) as b:
        for h in (a,b):
            print((await h.ask("patient",q,id=await h.patient_name(Planted.PATIENT))).get("errors"))
