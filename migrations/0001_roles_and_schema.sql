-- Two roles, a schema for our functions, and default privileges that give nobody anything.
--
-- Who may do what:
--   authenticated   the caller of one request. Reads tables as far as their policies let it; writes only through the
--                   functions granted to it, which find out for themselves who calls, and what time it is.
--   outbox_worker   the server's background work: the outbox, webhooks, comparing with Clerk, upkeep.
--   the owner       the login that runs these files. It owns tables and functions, and serves no requests.
--
-- Tables live in `public`, where Supabase's clients may read them under row level security. Functions live in
-- `vestibule`, which PostgREST does not expose. Row level security is enabled, not forced: functions with the owner's
-- rights must reach the rows they guard.

-- Roles belong to the whole cluster. They may exist already (Supabase has `authenticated`), and two databases may be
-- migrated at once; hence the guards.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['authenticated', 'outbox_worker'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin', role_name);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

-- Whatever the owner creates from here on is closed until a file grants it by name.
--
-- Every role may execute a new function unless this is taken back for all schemas at once: default privileges of a
-- single schema can only add to those of the database.
alter default privileges revoke execute on functions from public;

-- Supabase grants everything new in `public` to the roles of its API.
do $$
declare
    role_name text;
    kind text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        foreach kind in array array['tables', 'sequences', 'functions'] loop
            execute format('alter default privileges revoke all on %s from %I', kind, role_name);
            execute format('alter default privileges in schema public revoke all on %s from %I', kind, role_name);
        end loop;
        -- The migrator's own table was made just before this file ran.
        if to_regclass('public._sqlx_migrations') is not null then
            execute format('revoke all on public._sqlx_migrations from %I', role_name);
        end if;
    end loop;
end
$$;

create schema vestibule;
grant usage on schema public, vestibule to authenticated, outbox_worker;

-- The time of everything that a request writes: no argument, so that no caller can choose it. It stands still within a
-- transaction. The tests replace it by a clock that they set.
create function vestibule.clock() returns timestamptz
language sql stable parallel safe
as $$ select pg_catalog.now() $$;
grant execute on function vestibule.clock() to outbox_worker;

-- A time that the worker's process gives. Its clock may be wrong, but not by years.
create domain vestibule.moment as timestamptz
    constraint moment_is_plausible
    check (value between timestamptz '2020-01-01 00:00:00Z' and vestibule.clock() + interval '1 day');

-- The caller, from the claims that the server sets for one transaction. A transaction-local setting that has ended
-- reads as '', not as null.
create function vestibule.requesting_user_id() returns text
language sql stable parallel safe
set search_path = ''
as $$ select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub' $$;
grant execute on function vestibule.requesting_user_id() to authenticated;
