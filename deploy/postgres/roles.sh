#!/bin/sh
# Creates the database roles of API and workers, or gives them other passwords. What they may do is granted by
# `rmatch migrate` (service/store/roles.py). A new database container runs this by itself; for one that exists:
#   docker compose exec db sh /docker-entrypoint-initdb.d/roles.sh
set -eu
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv api_password POSTGRES_API_PASSWORD
\getenv worker_password POSTGRES_WORKER_PASSWORD
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['rmatch_api', 'rmatch_worker']) AS name
  WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE rmatch_api LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'api_password';
ALTER ROLE rmatch_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'worker_password';
SQL
