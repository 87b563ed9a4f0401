-- The outbox: what must happen at Clerk because of a committed change. A message is written in the transaction of the
-- change, and delivered afterwards by a relay; the messages of one user in order.
--
-- What must stay true: looking for the next message stays cheap, however many wait and however many were delivered,
-- also while the planner does not know yet how many wait. Messages pile up within minutes, and until the table is
-- analyzed again one index seems as good as another.

create table public.outbox_messages (
    id bigint generated always as identity primary key,
    user_id text not null,
    -- update_user_metadata: the payload is the body of the call. sync_user: compare the user with Clerk.
    kind text not null,
    payload jsonb not null,
    created_at timestamptz not null,
    available_at timestamptz not null,
    attempts integer not null default 0,
    leased_until timestamptz,
    delivered_at timestamptz,
    dead_at timestamptz,
    last_error text,
    constraint outbox_messages_kind_known check (kind in ('update_user_metadata', 'sync_user'))
);

-- What waits for one user.
create index outbox_messages_waiting on public.outbox_messages (user_id, id)
    where delivered_at is null and dead_at is null;

-- What is due next, in the order in which it came due. The last condition always holds. It keeps this index away from
-- queries that do not ask for a time: those about one user have `outbox_messages_waiting`.
create index outbox_messages_due on public.outbox_messages (available_at, id)
    where delivered_at is null and dead_at is null and available_at is not null;

-- What became of one user's messages, among all that were ever delivered.
create index outbox_messages_of_user on public.outbox_messages (user_id, id);

-- A row is changed a few times and then rests. The defaults would vacuum and analyze only after a fifth of all rows
-- there ever were has changed.
alter table public.outbox_messages set (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01,
    autovacuum_analyze_threshold = 1000
);

alter table public.outbox_messages enable row level security;
-- Not the payload, nor the error: a caller only needs to know how far Clerk has been notified.
grant select (id, user_id, kind, created_at, attempts, delivered_at, dead_at)
    on public.outbox_messages to authenticated;
grant select, update on public.outbox_messages to outbox_worker;
create policy outbox_messages_of_caller on public.outbox_messages for select to authenticated
    using (user_id = (select vestibule.requesting_user_id()));
create policy outbox_messages_of_worker on public.outbox_messages to outbox_worker using (true) with check (true);

-- Wakes the relays of all processes at the commit, never before and never after a rollback. The channel carries no
-- data: a listener looks into the table, with its own rights. Equal notifications of one transaction become one.
create function vestibule.wake_the_relay() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform pg_notify('outbox_messages', '');
    return null;
end
$$;
create trigger outbox_messages_wake_the_relay after insert on public.outbox_messages
    for each statement execute function vestibule.wake_the_relay();

-- Up to which time messages are due, by the clock of the relay that asks. New messages carry the time of the database, which
-- may be a little ahead of the relay's, and are due all the same. Only a little: what is to be retried must wait.
create function vestibule.due_until(at timestamptz) returns timestamptz
language sql stable parallel safe
as $$ select least(greatest(at, vestibule.clock()), at + interval '5 seconds') $$;
grant execute on function vestibule.due_until(timestamptz) to outbox_worker;

-- Asks the relay to compare a user with Clerk, unless it has been asked already and has not begun.
create function vestibule.ask_to_sync(asked_user text, at vestibule.moment) returns void
language sql security definer
set search_path = ''
as $$
    insert into public.outbox_messages (user_id, kind, payload, created_at, available_at)
    select asked_user, 'sync_user', '{}', at, at
    where not exists (
        select from public.outbox_messages as message
        where message.user_id = asked_user and message.kind = 'sync_user'
          and message.delivered_at is null and message.dead_at is null and message.leased_until is null
    )
$$;
grant execute on function vestibule.ask_to_sync(text, vestibule.moment) to outbox_worker;
