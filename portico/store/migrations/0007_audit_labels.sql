-- The sensitivity labels of what an answer told: whoever may not see such a record may not read that somebody did.
-- Entries without any, and those from before there were any here, hold nothing.
alter table portico.audit add column labels text[];
