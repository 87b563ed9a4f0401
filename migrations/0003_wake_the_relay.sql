-- Tells every relay at once that something was committed for Clerk.
--
-- The channel carries no data: who listens looks into the table, with its own rights. Equal notifications of one
-- transaction become one, and they go out at its commit, never before and never after a rollback.

create function wake_the_relay() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform pg_notify('outbox_messages', '');
    return null;
end
$$;

create trigger outbox_messages_wake_the_relay after insert on outbox_messages
    for each statement execute function wake_the_relay();

-- Nobody calls it; the trigger needs no grant. See 0001 for the roles that get more than is meant.
revoke all on function wake_the_relay() from public;
do $$
declare
    role_name text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        execute format('revoke all on function wake_the_relay() from %I', role_name);
    end loop;
end
$$;
