-- What a running server needs to look after itself: which schema it met, and to forget what has served.
--
-- What must stay true: the worker deletes nothing by itself; what is not settled, and what still answers a question, stays.

-- Which files of this folder were applied. The migrator's own table stays closed to everybody but the owner.
create function applied_migrations() returns setof bigint
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query select m.version from public._sqlx_migrations as m where m.success;
end
$$;

create index webhook_messages_applied on webhook_messages (applied_at) where applied_at is not null;

-- Deletes rows that have served since before a moment, at most so many of each table, and gives how many went.
--
-- What stays: webhooks and outbox messages that wait or were given up; each person's newest outbox message of each kind,
-- which says how far Clerk knows them; the server's own key of a person's first organization. A webhook whose id is
-- forgotten may come again: like any late one, it takes nothing back.
create function forget_old_rows(
    older_than timestamptz,
    at_most integer,
    out webhooks bigint,
    out outbox bigint,
    out keys bigint
)
language plpgsql security definer
set search_path = ''
as $$
begin
    -- Several processes may tidy at once: each takes what the others do not hold.
    with old as (
        select w.id from public.webhook_messages as w
        where w.applied_at < older_than
        limit at_most for update skip locked
    )
    delete from public.webhook_messages as w using old where w.id = old.id;
    get diagnostics webhooks = row_count;
    with old as (
        select o.id from public.outbox_messages as o
        where o.delivered_at < older_than
          and exists (select from public.outbox_messages as newer
            where newer.user_id = o.user_id and newer.kind = o.kind and newer.id > o.id)
        limit at_most for update of o skip locked
    )
    delete from public.outbox_messages as o using old where o.id = old.id;
    get diagnostics outbox = row_count;
    with old as (
        select k.user_id, k.key from public.idempotency_keys as k
        where k.created_at < older_than and k.key <> 'first-organization'
        limit at_most for update skip locked
    )
    delete from public.idempotency_keys as k using old where k.user_id = old.user_id and k.key = old.key;
    get diagnostics keys = row_count;
end
$$;

-- As in 0001: Supabase's default grants are taken back, then what is meant is given.
do $$
declare
    role_name text;
begin
    for role_name in
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
        execute format('revoke all on function applied_migrations(), forget_old_rows(timestamptz, integer) from %I', role_name);
    end loop;
end
$$;
revoke all on function applied_migrations(), forget_old_rows(timestamptz, integer) from public;
grant execute on function applied_migrations(), forget_old_rows(timestamptz, integer) to outbox_worker;
