-- What a running server needs to look after itself: which files of this folder were applied, and to forget what has
-- served.
--
-- What must stay true: the worker deletes nothing by itself; what is not settled, and what still answers a question,
-- stays.

-- Which files of this folder were applied. The migrator's own table stays closed.
create function vestibule.applied_migrations() returns setof bigint
language plpgsql stable security definer
set search_path = ''
as $$
begin
    return query select migration.version from public._sqlx_migrations as migration where migration.success;
end
$$;

-- Deletes rows that have served since before a moment, at most so many of each table, and gives how many went. The
-- moment must be at least a day ago: a wrong clock must not delete what is still of use.
--
-- What stays: webhooks and outbox messages that wait or were given up; each user's newest outbox message of each kind,
-- which says how far Clerk has been notified; the server's own key of a user's first organization. A webhook whose id
-- is forgotten may come again: like any late one, it takes nothing back.
create function vestibule.forget_old_rows(
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
    if older_than > vestibule.clock() - interval '1 day' then
        raise check_violation
            using message = 'rows are kept for a day at least', constraint = 'forget_old_rows_keeps_a_day';
    end if;
    -- Several processes may tidy at once: each takes what the others do not hold.
    with old as (
        select message.id from public.webhook_messages as message
        where message.applied_at < older_than
        limit at_most for update skip locked
    )
    delete from public.webhook_messages as message using old where message.id = old.id;
    get diagnostics webhooks = row_count;
    with old as (
        select message.id from public.outbox_messages as message
        where message.delivered_at < older_than
          and exists (select from public.outbox_messages as newer
            where newer.user_id = message.user_id and newer.kind = message.kind and newer.id > message.id)
        limit at_most for update of message skip locked
    )
    delete from public.outbox_messages as message using old where message.id = old.id;
    get diagnostics outbox = row_count;
    with old as (
        select used.user_id, used.key from public.idempotency_keys as used
        where used.created_at < older_than and used.key <> 'first-organization'
        limit at_most for update skip locked
    )
    delete from public.idempotency_keys as used using old where used.user_id = old.user_id and used.key = old.key;
    get diagnostics keys = row_count;
end
$$;

grant execute on function vestibule.applied_migrations(), vestibule.forget_old_rows(timestamptz, integer)
    to outbox_worker;
