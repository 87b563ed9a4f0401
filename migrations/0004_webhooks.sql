-- What Clerk reports by webhook.
--
-- What must stay true: a message is applied once, however often it is sent, and in whatever order messages come the end
-- is the same. Newer knowledge of a user is never replaced by older.

-- The payload is the user's data, so it is kept only until it is applied; the row stays, to recognize the message when
-- it comes again. Messages that mean nothing to us are kept without payload.
create table public.webhook_messages (
    id text primary key,
    type text not null,
    user_id text,
    payload jsonb,
    received_at timestamptz not null,
    available_at timestamptz not null,
    attempts integer not null default 0,
    applied_at timestamptz,
    outcome text,
    dead_at timestamptz,
    last_error text,
    constraint webhook_messages_outcome_known check (outcome in ('applied', 'superseded', 'deleted', 'ignored'))
);
create index webhook_messages_waiting on public.webhook_messages (received_at, id)
    where applied_at is null and dead_at is null;
create index webhook_messages_dead on public.webhook_messages (user_id) where dead_at is not null;
create index webhook_messages_applied on public.webhook_messages (applied_at) where applied_at is not null;

alter table public.webhook_messages enable row level security;
grant select, insert, update on public.webhook_messages to outbox_worker;
create policy webhook_messages_of_worker on public.webhook_messages to outbox_worker using (true) with check (true);

-- Forgets a user who was deleted at Clerk: memberships, name, address, and what is left of messages about them. Gives
-- the organizations that lost their last owner by it.
create function vestibule.forget_clerk_user(gone_user text, at vestibule.moment) returns setof uuid
language plpgsql security definer
set search_path = ''
as $$
declare
    left_ids uuid[];
begin
    -- The lock of create_organization: what is being created is finished first, and then found.
    perform pg_advisory_xact_lock(hashtextextended('create_organization ' || gone_user, 0));
    insert into public.user_profiles as profile (user_id, created_at, updated_at, deleted_at)
    values (gone_user, at, at, at)
    on conflict (user_id) do update
    set display_name = null,
        email = null,
        active_organization_id = null,
        updated_at = case when profile.deleted_at is null then excluded.updated_at else profile.updated_at end,
        deleted_at = coalesce(profile.deleted_at, excluded.deleted_at);
    -- Two owners may go at the same moment: the second one must see that the first has gone.
    select array_agg(locked.id) into left_ids
    from (
        select organization.id from public.organizations as organization
        where organization.id in (
            select member.organization_id from public.organization_users as member where member.user_id = gone_user)
        order by organization.id
        for no key update
    ) as locked;
    delete from public.organization_users as member where member.user_id = gone_user;
    delete from public.idempotency_keys as used where used.user_id = gone_user;
    update public.webhook_messages as message set payload = null
    where message.user_id = gone_user and message.dead_at is not null;
    return query
        update public.organizations as organization set ownerless_since = at
        where organization.id = any (left_ids) and organization.ownerless_since is null
          and not exists (
            select from public.organization_users as member
            where member.organization_id = organization.id and member.role = 'owner')
        returning organization.id;
end
$$;
grant execute on function vestibule.forget_clerk_user(text, vestibule.moment) to outbox_worker;
