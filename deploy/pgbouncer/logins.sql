-- The login by which PgBouncer reads the secrets of those who sign in. Run it as a superuser in the database of
-- ToneBridge, after its migrations, and again for another password:
--
--     psql -v password="$PASSWORD" -f deploy/pgbouncer/logins.sql "$URL"

\set ON_ERROR_STOP 1
BEGIN;
SELECT 'CREATE ROLE pgbouncer LOGIN NOINHERIT'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbouncer') \gexec
ALTER ROLE pgbouncer PASSWORD :'password';

CREATE SCHEMA IF NOT EXISTS pgbouncer;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;

-- It knows no other login, so nobody gets through PgBouncer as one that sees every organisation's rows.
CREATE OR REPLACE FUNCTION pgbouncer.find_secret(name text, OUT login text, OUT secret text) RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT rolname::text, rolpassword FROM pg_authid
    WHERE rolname = name AND rolname IN ('tonebridge_gateway', 'tonebridge_dashboard')
$$;
REVOKE EXECUTE ON FUNCTION pgbouncer.find_secret FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.find_secret TO pgbouncer;
COMMIT;
