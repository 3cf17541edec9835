"""A clinic group's billing system as it has stood since the nineties: a PostgreSQL database, and its front on TCP."""
