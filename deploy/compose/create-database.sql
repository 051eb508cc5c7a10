-- Run by the PostgreSQL image when its volume is empty: a database that dockhook owns, and a role that owns no more.
-- psql reads the password from the file itself, so it is no process argument.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/database-password`
CREATE ROLE dockhook LOGIN PASSWORD :'password';
CREATE DATABASE dockhook OWNER dockhook;
REVOKE CONNECT ON DATABASE dockhook FROM PUBLIC;
